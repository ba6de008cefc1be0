#include "client/cancellation.h"

#include <utility>

namespace qstore::client {

void Cancellation::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (cancelled_.exchange(true)) return;
  if (action_) action_();
}

Cancellation::Scope::Scope(Cancellation* cancellation,
                           std::function<void()> action)
    : cancellation_(cancellation) {
  const std::lock_guard<std::mutex> lock(cancellation_->mutex_);
  if (cancellation_->cancelled_) {
    action();
  } else {
    cancellation_->action_ = std::move(action);
  }
}

Cancellation::Scope::~Scope() {
  const std::lock_guard<std::mutex> lock(cancellation_->mutex_);
  cancellation_->action_ = nullptr;
}

}  // namespace qstore::client
