#include "server/download/pinned_bytes.h"

#include <utility>

namespace qstore::server {

void PinnedBytesGauge::Add(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  ++values_;
}

bool PinnedBytesGauge::TryAdd(uint64_t bytes, uint64_t limit_bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes_ > limit_bytes || bytes > limit_bytes - bytes_) return false;
  bytes_ += bytes;
  ++values_;
  return true;
}

void PinnedBytesGauge::Subtract(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ -= bytes;
  if (--values_ == 0) zero_.notify_all();
}

uint64_t PinnedBytesGauge::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool PinnedBytesGauge::WaitUntilZero(
    std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return zero_.wait_until(lock, deadline, [&] { return values_ == 0; });
}

CountedValue::CountedValue(storage::PinnedValue value,
                           std::shared_ptr<PinnedBytesGauge> gauge)
    : CountedValue(Counted(), std::move(value), std::move(gauge)) {
  gauge_->Add(value_.bytes().size());
}

std::shared_ptr<const CountedValue> CountedValue::TryCount(
    storage::PinnedValue value, std::shared_ptr<PinnedBytesGauge> gauge,
    uint64_t limit_bytes) {
  if (!gauge->TryAdd(value.bytes().size(), limit_bytes)) return nullptr;
  return std::shared_ptr<const CountedValue>(
      new CountedValue(Counted(), std::move(value), std::move(gauge)));
}

CountedValue::~CountedValue() {
  const uint64_t size_bytes = value_.bytes().size();
  // The value first: zero on the gauge means that nothing is pinned.
  value_ = storage::PinnedValue();
  gauge_->Subtract(size_bytes);
}

}  // namespace qstore::server
