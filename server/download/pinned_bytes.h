// Stored values that outgoing messages reference, and how many bytes they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/pinned_value.h"

namespace qstore::server {

// Thread-safe. gRPC may hold slices after the call that sent them has ended, so
// the database is closed only when this is zero.
class PinnedBytesGauge {
 public:
  void Add(uint64_t bytes);
  void Subtract(uint64_t bytes);
  uint64_t bytes() const;
  // False: some value was still pinned at `deadline`.
  bool WaitUntilZero(std::chrono::steady_clock::time_point deadline);

 private:
  mutable absl::Mutex mutex_;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t value_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A pinned value that is counted while it lives.
class CountedValue {
 public:
  CountedValue(storage::PinnedValue value,
               std::shared_ptr<PinnedBytesGauge> gauge);
  ~CountedValue();
  CountedValue(const CountedValue&) = delete;
  CountedValue& operator=(const CountedValue&) = delete;

  ByteView bytes() const { return value_.bytes(); }

 private:
  storage::PinnedValue value_;
  const std::shared_ptr<PinnedBytesGauge> gauge_;
};

}  // namespace qstore::server
