#include "server/limits/write_watch.h"

#include <utility>

namespace qstore::server {

void WriteWatch::Start(Trial trial, Report report, Timer* timer,
                       ThreadPool* pool) {
  trial_ = std::move(trial);
  report_ = std::move(report);
  pool_ = pool;
  const absl::MutexLock lock(&mutex_);
  alarm_ = std::make_unique<Alarm>(timer, [this] { BeginTrial(); });
  if (trying_) SetAlarm(std::chrono::seconds(0));
}

void WriteWatch::Stop() {
  std::unique_ptr<Alarm> alarm;
  {
    const absl::MutexLock lock(&mutex_);
    stopped_ = true;
    alarm = std::move(alarm_);
    const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !running_;
    };
    mutex_.Await(absl::Condition(&is_idle));
  }
  // Waits for its callback, which takes the lock.
  alarm = nullptr;
}

void WriteWatch::NoteFailure() {
  const absl::MutexLock lock(&mutex_);
  if (std::exchange(trying_, true)) return;
  SetAlarm(std::chrono::seconds(0));
}

absl::Status WriteWatch::status() const {
  const absl::MutexLock lock(&mutex_);
  return status_;
}

void WriteWatch::SetAlarm(std::chrono::seconds delay) {
  if (alarm_ == nullptr || stopped_) return;
  alarm_->SetNoLaterThan(std::chrono::steady_clock::now() + delay);
}

void WriteWatch::BeginTrial() {
  const absl::MutexLock lock(&mutex_);
  if (stopped_ || running_) return;
  running_ = pool_->TrySubmit([this] { RunTrial(); });
  if (!running_) SetAlarm(kInterval);
}

void WriteWatch::RunTrial() {
  const absl::Status status = trial_();
  bool changed = false;
  {
    const absl::MutexLock lock(&mutex_);
    changed = status.ok() != status_.ok();
    status_ = status;
  }
  if (changed) report_(status);
  const absl::MutexLock lock(&mutex_);
  running_ = false;
  trying_ = !status.ok();
  if (trying_) SetAlarm(kInterval);
}

}  // namespace qstore::server
