#include "base/timer.h"

#include <algorithm>

#include "base/check.h"

namespace qstore {

Timer::Timer() : thread_([this] { Run(); }), thread_id_(thread_.get_id()) {}

Timer::~Timer() {
  QSTORE_DCHECK(!InCallback());
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    earliest_changed_.Signal();
  }
  thread_.join();
}

Timer::Id Timer::Schedule(TimePoint when, Callback callback) {
  const absl::MutexLock lock(&mutex_);
  const Id id = next_id_++;
  const auto added = pending_.emplace(Key(when, id), std::move(callback)).first;
  times_.emplace(id, when);
  if (added == pending_.begin()) earliest_changed_.Signal();
  return id;
}

bool Timer::Remove(Id id) {
  const auto found = times_.find(id);
  if (found == times_.end()) return false;
  const size_t removed_count = pending_.erase(Key(found->second, id));
  QSTORE_DCHECK(removed_count == 1);
  times_.erase(found);
  QSTORE_DCHECK(times_.size() == pending_.size());
  return true;
}

bool Timer::TryCancel(Id id) {
  const absl::MutexLock lock(&mutex_);
  return Remove(id);
}

bool Timer::Cancel(Id id) {
  const absl::MutexLock lock(&mutex_);
  if (Remove(id)) return true;
  if (InCallback()) return false;
  const auto is_over = [this, id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return running_ != id;
  };
  mutex_.Await(absl::Condition(&is_over));
  return false;
}

void Timer::Run() {
  mutex_.Lock();
  while (!stopping_) {
    if (pending_.empty()) {
      earliest_changed_.Wait(&mutex_);
      continue;
    }
    const auto first = pending_.begin();
    const auto [when, id] = first->first;
    const auto now = std::chrono::steady_clock::now();
    if (when > now) {
      earliest_changed_.WaitWithTimeout(
          &mutex_, std::min(absl::FromChrono(when - now), kMaxWait));
      continue;
    }
    Callback callback = std::move(first->second);
    pending_.erase(first);
    times_.erase(id);
    QSTORE_DCHECK(running_ == 0);
    running_ = id;
    mutex_.Unlock();
    callback();
    // What it holds goes before anyone is told that it is over.
    callback = nullptr;
    mutex_.Lock();
    running_ = 0;
  }
  mutex_.Unlock();
}

Alarm::Alarm(Timer* timer, Timer::Callback callback)
    : timer_(timer), callback_(std::move(callback)) {}

Alarm::~Alarm() {
  Stop();
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(!firing_);
}

void Alarm::SetNoLaterThan(Timer::TimePoint when) {
  const absl::MutexLock lock(&mutex_);
  if (stopped_ || (id_ != 0 && when_ <= when)) return;
  // One that cannot be cancelled any more is about to fire, which is earlier
  // still.
  if (id_ != 0 && !timer_->TryCancel(id_)) return;
  when_ = when;
  id_ = timer_->Schedule(when, [this] { Fire(); });
}

void Alarm::Stop() {
  Timer::Id id = 0;
  {
    const absl::MutexLock lock(&mutex_);
    stopped_ = true;
    id = id_;
  }
  if (id != 0) timer_->Cancel(id);
  if (timer_->InCallback()) return;
  // It may have been running already, and have set itself meanwhile.
  const absl::MutexLock lock(&mutex_);
  const auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !firing_;
  };
  mutex_.Await(absl::Condition(&is_over));
}

void Alarm::Fire() {
  {
    const absl::MutexLock lock(&mutex_);
    id_ = 0;
    if (stopped_) return;
    firing_ = true;
  }
  callback_();
  const absl::MutexLock lock(&mutex_);
  firing_ = false;
}

}  // namespace qstore
