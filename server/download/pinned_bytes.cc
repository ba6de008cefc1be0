#include "server/download/pinned_bytes.h"

#include <utility>

namespace qstore::server {

void PinnedBytesGauge::Add(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  ++values_;
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
    : value_(std::move(value)), gauge_(std::move(gauge)) {
  gauge_->Add(value_.bytes().size());
}

CountedValue::~CountedValue() {
  const uint64_t size_bytes = value_.bytes().size();
  // The value first: zero on the gauge means that nothing is pinned.
  value_ = storage::PinnedValue();
  gauge_->Subtract(size_bytes);
}

}  // namespace qstore::server
