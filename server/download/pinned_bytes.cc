#include "server/download/pinned_bytes.h"

#include <utility>

#include "absl/time/time.h"
#include "base/check.h"

namespace qstore::server {

void PinnedBytesGauge::Add(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  bytes_ += bytes;
  ++value_count_;
}

void PinnedBytesGauge::Subtract(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(value_count_ > 0 && bytes <= bytes_);
  bytes_ -= bytes;
  --value_count_;
  QSTORE_DCHECK(value_count_ > 0 || bytes_ == 0);
}

uint64_t PinnedBytesGauge::bytes() const {
  const absl::MutexLock lock(&mutex_);
  return bytes_;
}

bool PinnedBytesGauge::WaitUntilZero(
    std::chrono::steady_clock::time_point deadline) {
  const absl::MutexLock lock(&mutex_);
  const auto is_zero = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return value_count_ == 0;
  };
  return mutex_.AwaitWithTimeout(
      absl::Condition(&is_zero),
      absl::FromChrono(deadline - std::chrono::steady_clock::now()));
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
