#include "base/byte_budget.h"

#include <utility>

#include "base/check.h"

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

ByteBudget::~ByteBudget() {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(held_bytes_ == 0);
  QSTORE_DCHECK(waiting_.empty());
}

// Written without a sum, which could wrap.
bool ByteBudget::Fits(uint64_t bytes) const {
  return held_bytes_ == 0 ||
         (held_bytes_ <= limit_bytes_ && bytes <= limit_bytes_ - held_bytes_);
}

void ByteBudget::Take(uint64_t bytes) {
  QSTORE_DCHECK(Fits(bytes));
  const bool alone = held_bytes_ == 0;
  held_bytes_ += bytes;
  QSTORE_DCHECK(alone || held_bytes_ <= limit_bytes_);
}

void ByteBudget::ServeWaiting() {
  while (!waiting_.empty() && Fits(waiting_.front()->bytes)) {
    Request* const request = waiting_.front();
    waiting_.pop_front();
    Take(request->bytes);
    request->served = true;
  }
}

ByteBudget::Lease ByteBudget::Acquire(uint64_t bytes) {
  return *AcquireUnless(bytes, {});
}

std::optional<ByteBudget::Lease> ByteBudget::AcquireUnless(
    uint64_t bytes, const std::function<bool()>& cancelled) {
  Request request{.bytes = bytes};
  {
    const absl::MutexLock lock(&mutex_);
    waiting_.push_back(&request);
    ServeWaiting();
    if (request.served) return Lease(this, bytes);
  }
  if (cancelled) {
    QSTORE_DCHECK(watch_ != nullptr);
    const std::function<void()> wake = [&] { GiveUp(&request); };
    const CancellationWatch::Waiter waiter(watch_, cancelled, wake);
    AwaitEnd(request);
  } else {
    AwaitEnd(request);
  }
  if (!request.served) return std::nullopt;
  return Lease(this, bytes);
}

void ByteBudget::AwaitEnd(const Request& request) {
  const auto is_over = [&request] {
    return request.served || request.given_up;
  };
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_over));
}

void ByteBudget::GiveUp(Request* request) {
  const absl::MutexLock lock(&mutex_);
  if (request->served) return;
  waiting_.remove(request);
  request->given_up = true;
  // The next in line may fit.
  ServeWaiting();
}

std::optional<ByteBudget::Lease> ByteBudget::TryAcquire(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  if (!waiting_.empty() || held_bytes_ > limit_bytes_ ||
      bytes > limit_bytes_ - held_bytes_) {
    return std::nullopt;
  }
  Take(bytes);
  return Lease(this, bytes);
}

void ByteBudget::Release(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(bytes <= held_bytes_);
  held_bytes_ -= bytes;
  ServeWaiting();
}

uint64_t ByteBudget::held_bytes() const {
  const absl::MutexLock lock(&mutex_);
  return held_bytes_;
}

size_t ByteBudget::waiting_count() const {
  const absl::MutexLock lock(&mutex_);
  return waiting_.size();
}

}  // namespace qstore
