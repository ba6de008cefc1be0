// Stored values that outgoing messages reference, and how many bytes they are.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "storage/pinned_value.h"

namespace qstore::server {

// Thread-safe. gRPC may hold slices after the call that sent them has ended, so
// the database is closed only when this is zero.
class PinnedBytesGauge {
 public:
  void Add(uint64_t bytes);
  // Only when there are no more than `limit_bytes` with it; returns whether.
  bool TryAdd(uint64_t bytes, uint64_t limit_bytes);
  void Subtract(uint64_t bytes);
  uint64_t bytes() const;
  // False: some value was still pinned at `deadline`.
  bool WaitUntilZero(std::chrono::steady_clock::time_point deadline);

 private:
  mutable std::mutex mutex_;
  std::condition_variable zero_;
  uint64_t bytes_ = 0;   // guarded by mutex_
  uint64_t values_ = 0;  // guarded by mutex_
};

// A pinned value that is counted while it lives.
class CountedValue {
 public:
  CountedValue(storage::PinnedValue value,
               std::shared_ptr<PinnedBytesGauge> gauge);
  // Null, and `value` unpinned, when that would be more than `limit_bytes`.
  static std::shared_ptr<const CountedValue> TryCount(
      storage::PinnedValue value, std::shared_ptr<PinnedBytesGauge> gauge,
      uint64_t limit_bytes);
  ~CountedValue();
  CountedValue(const CountedValue&) = delete;
  CountedValue& operator=(const CountedValue&) = delete;

  ByteView bytes() const { return value_.bytes(); }

 private:
  struct Counted {};  // the gauge has it already
  CountedValue(Counted, storage::PinnedValue value,
               std::shared_ptr<PinnedBytesGauge> gauge)
      : value_(std::move(value)), gauge_(std::move(gauge)) {}

  storage::PinnedValue value_;
  const std::shared_ptr<PinnedBytesGauge> gauge_;
};

}  // namespace qstore::server
