#include "storage/rocksdb_write_watch.h"

#include <chrono>
#include <utility>

#include "storage/rocksdb_status.h"

namespace qstore::storage {
namespace {

using rocksdb::BackgroundErrorReason;
using rocksdb::Status;

// Longer than an attempt takes on a disk that answers.
constexpr std::chrono::seconds kLongestWait(2);

}  // namespace

bool WriteWatch::Await() {
  std::unique_lock lock(mutex_);
  const uint64_t count = outcome_count_;
  changed_.wait_for(lock, kLongestWait, [&] {
    return state_ != State::kRecovering || outcome_count_ != count;
  });
  return state_ == State::kWriting;
}

void WriteWatch::OnBackgroundError(BackgroundErrorReason reason,
                                   Status* error) {
  if (reason == BackgroundErrorReason::kManifestWrite ||
      reason == BackgroundErrorReason::kManifestWriteNoWAL) {
    Enter(State::kRecovering, *error);
  } else if (error->severity() >= Status::Severity::kHardError) {
    Enter(State::kStopped, *error);
  }
}

// This is about full disks that RocksDB was told of as such, of which there
// should be none. Its way out of them leads where DB::Resume does.
void WriteWatch::OnErrorRecoveryBegin(BackgroundErrorReason /*reason*/,
                                      Status error, bool* auto_recovery) {
  if (error.IsNoSpace()) *auto_recovery = false;
}

void WriteWatch::OnErrorRecoveryEnd(
    const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (info.new_bg_error.ok()) {
    Enter(State::kWriting, info.new_bg_error);
  } else if (!info.new_bg_error.IsShutdownInProgress()) {
    Enter(State::kStopped, info.new_bg_error);
  }
}

void WriteWatch::Enter(State state, const Status& error) {
  {
    const std::lock_guard lock(mutex_);
    ++outcome_count_;
    changed_.notify_all();
    // Only opening the database again leads out of kStopped.
    if (state_ == State::kStopped || state_ == state) return;
    state_ = state;
  }
  if (report_ != nullptr) {
    report_(ToStatus(error, state == State::kStopped
                                ? "writing has stopped until the next start"
                                : "writing has stopped until it works again"));
  }
}

}  // namespace qstore::storage
