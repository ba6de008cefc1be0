// Whether RocksDB takes writes.
#pragma once

#include <rocksdb/listener.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "absl/status/status.h"

namespace qstore::storage {

// Called with the error when writing stops, and with OK when it works again.
using WritingReport = std::function<void(const absl::Status&)>;

// RocksDB stops all writes when one of its manifest failed, and tries to write
// a new one until it succeeds. Nobody else may resume it: after DB::Resume,
// RocksDB 7.8 gives the next table the number 0. Thread-safe.
class WriteWatch final : public rocksdb::EventListener {
 public:
  explicit WriteWatch(WritingReport report) : report_(std::move(report)) {}

  // True when writes are taken, if need be after the outcome of RocksDB's next
  // attempt: it makes one at once, then one every kRetryMicros.
  bool Await();

  // Space for a moment is no reason to let a call fail for a second.
  static constexpr uint64_t kRetryMicros = 200'000;

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                         rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason,
                            rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnErrorRecoveryEnd(
      const rocksdb::BackgroundErrorRecoveryInfo& info) override;

 private:
  enum class State : uint8_t { kWriting, kRecovering, kStopped };

  void Enter(State state, const rocksdb::Status& error);

  const WritingReport report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kWriting;
  uint64_t outcome_count_ = 0;
};

}  // namespace qstore::storage
