#include "base/byte_budget.h"

#include <utility>

namespace qstore {

ByteBudget::Lease::Lease(Lease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

ByteBudget::Lease& ByteBudget::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

ByteBudget::Lease::~Lease() { Release(); }

void ByteBudget::Lease::Release() {
  if (budget_ == nullptr) return;
  budget_->Release(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

// Written without a sum, which could wrap.
bool ByteBudget::Fits(uint64_t bytes) const {
  return held_bytes_ == 0 ||
         (held_bytes_ <= limit_bytes_ && bytes <= limit_bytes_ - held_bytes_);
}

ByteBudget::Lease ByteBudget::Acquire(uint64_t bytes) {
  return *AcquireUnless(bytes, {});
}

std::optional<ByteBudget::Lease> ByteBudget::AcquireUnless(
    uint64_t bytes, const std::function<bool()>& cancelled) {
  std::unique_lock lock(mutex_);
  const auto self = waiting_.insert(waiting_.end(), tickets_given_++);
  const auto served = [&] { return waiting_.front() == *self && Fits(bytes); };
  bool given_up = false;
  while (!given_up && !served()) {
    if (!cancelled) {
      changed_.wait(lock, served);
    } else if (!changed_.wait_for(lock, kCancelPollInterval, served)) {
      lock.unlock();
      given_up = cancelled();
      lock.lock();
    }
  }
  waiting_.erase(self);
  if (!given_up) held_bytes_ += bytes;
  lock.unlock();
  // The next in line may fit as well.
  changed_.notify_all();
  if (given_up) return std::nullopt;
  return Lease(this, bytes);
}

std::optional<ByteBudget::Lease> ByteBudget::TryAcquire(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty() || held_bytes_ > limit_bytes_ ||
      bytes > limit_bytes_ - held_bytes_) {
    return std::nullopt;
  }
  held_bytes_ += bytes;
  return Lease(this, bytes);
}

void ByteBudget::Release(uint64_t bytes) {
  // Notified under the lock: the last holder's waiter may destroy the budget as
  // soon as it can take the lock.
  const std::lock_guard lock(mutex_);
  held_bytes_ -= bytes;
  changed_.notify_all();
}

uint64_t ByteBudget::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}

size_t ByteBudget::waiting_count() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace qstore
