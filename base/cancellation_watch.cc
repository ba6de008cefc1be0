#include "base/cancellation_watch.h"

#include "base/check.h"

namespace qstore {

CancellationWatch::CancellationWatch(Timer* timer)
    : alarm_(timer, [this] { AskAll(); }) {}

CancellationWatch::~CancellationWatch() {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(waiters_.empty());
}

CancellationWatch::Waiter::Waiter(CancellationWatch* watch,
                                  const std::function<bool()>& cancelled,
                                  const std::function<void()>& wake)
    : watch_(watch), cancelled_(cancelled), wake_(wake) {
  const absl::MutexLock lock(&watch_->mutex_);
  place_ = watch_->waiters_.insert(watch_->waiters_.end(), this);
  watch_->alarm_.SetNoLaterThan(std::chrono::steady_clock::now() + kInterval);
}

CancellationWatch::Waiter::~Waiter() {
  const absl::MutexLock lock(&watch_->mutex_);
  const auto is_left_alone = [this]()
                                 ABSL_EXCLUSIVE_LOCKS_REQUIRED(watch_->mutex_) {
                                   return watch_->asked_ != this;
                                 };
  watch_->mutex_.Await(absl::Condition(&is_left_alone));
  watch_->waiters_.erase(place_);
}

void CancellationWatch::AskAll() {
  mutex_.Lock();
  for (Waiter* const waiter : waiters_) {
    if (waiter->woken_) continue;
    asked_ = waiter;
    mutex_.Unlock();
    if (waiter->cancelled_()) {
      waiter->woken_ = true;
      waiter->wake_();
    }
    mutex_.Lock();
    asked_ = nullptr;
  }
  if (!waiters_.empty()) {
    alarm_.SetNoLaterThan(std::chrono::steady_clock::now() + kInterval);
  }
  mutex_.Unlock();
}

}  // namespace qstore
