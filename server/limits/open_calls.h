// What calls that are open hold for their clients: gRPC's part of each, and the
// answer that it has made and the client has not taken. Together they have a
// bound, and nobody keeps others out by taking nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/limits/stall_watch.h"

namespace qstore::server {

// What a call takes of gRPC (1.51) and of us beside its messages.
inline constexpr uint64_t kOpenCallBytes = 16u << 10;

// Thread-safe; outlives its calls.
class OpenCalls {
 public:
  explicit OpenCalls(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  // Until it is destroyed.
  class Call {
   public:
    // `stall`, by which the call is ended for others, outlives this.
    Call(OpenCalls* calls, std::string address, StallWatch::Call* stall);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // From now on the call holds `bytes`. Where there is no room calls end
    // whose clients are waited for, those of the address that holds most and of
    // these the ones that have waited longest. RESOURCE_EXHAUSTED with a retry
    // hint when that is not enough: then it holds what it held.
    absl::Status Hold(uint64_t bytes);
    // From now on nothing but the client is waited for: the call may be ended.
    void AwaitClient();

   private:
    friend class OpenCalls;
    OpenCalls* const calls_;
    const std::string address_;
    StallWatch::Call* const stall_;
    uint64_t bytes_ = 0;  // under calls_->mutex_
    std::optional<std::chrono::steady_clock::time_point> waits_since_;  // too
    std::list<Call*>::iterator place_;  // too, while bytes_ > 0
  };

  uint64_t held_bytes() const;
  size_t count() const;

 private:
  // Whether there is room for `bytes` more.
  bool MakeRoom(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetBytes(Call* call, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t limit_bytes_;
  mutable absl::Mutex mutex_;
  // Those that hold something: as many as the limit has room for, however many
  // more somebody opens and resets.
  std::list<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Until then it is not worth looking for room again.
  std::chrono::steady_clock::time_point next_look_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::server
