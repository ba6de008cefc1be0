#include "client/cancellation.h"

#include <utility>

namespace qstore::client {

void Cancellation::Cancel() {
  const absl::MutexLock lock(&mutex_);
  if (cancelled_.exchange(true)) return;
  for (const auto& [scope, action] : actions_) action();
}

Cancellation::Scope::Scope(Cancellation* cancellation,
                           std::function<void()> action)
    : cancellation_(cancellation) {
  const absl::MutexLock lock(&cancellation_->mutex_);
  if (cancellation_->cancelled_) {
    action();
  } else {
    cancellation_->actions_.emplace(this, std::move(action));
  }
}

Cancellation::Scope::~Scope() {
  const absl::MutexLock lock(&cancellation_->mutex_);
  cancellation_->actions_.erase(this);
}

}  // namespace qstore::client
