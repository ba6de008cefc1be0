// Which calls may run now: limits by kind, a bounded queue before each, and
// none when the server drains.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/cancellation_watch.h"
#include "base/timer.h"

namespace qstore::server {

enum class CallKind { kShort = 0, kUpload = 1, kDownload = 2, kVerify = 3 };
inline constexpr int kCallKindCount = 4;

// Thread-safe; outlives its permits and whoever waits for one. Short calls are
// not limited here (--max-threads bounds them) and never wait.
class CallAdmission {
 public:
  struct Limits {
    size_t uploads = 8;
    size_t downloads = 64;
    size_t verifies = 2;
    // Calls of each kind that may wait for one of them to end, and how long.
    size_t queued = 32;
    std::chrono::milliseconds queue_timeout{30'000};
  };

  // A running call.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)),
          kind_(other.kind_) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Release(); }

   private:
    friend class CallAdmission;
    Permit(CallAdmission* admission, CallKind kind)
        : admission_(admission), kind_(kind) {}
    void Release();
    CallAdmission* admission_ = nullptr;
    CallKind kind_ = CallKind::kShort;
  };

  // The timer, which ends waits that are too long, and the watch, which ends
  // those of cancelled calls, outlive this.
  CallAdmission(const Limits& limits, Timer* timer, CancellationWatch* watch);
  ~CallAdmission();
  CallAdmission(const CallAdmission&) = delete;
  CallAdmission& operator=(const CallAdmission&) = delete;

  // Waits for its turn, first come, first served. RESOURCE_EXHAUSTED with a
  // retry hint when the queue is full or the wait too long, UNAVAILABLE with
  // one once draining, CANCELLED soon after `cancelled` has come true, which is
  // asked by the watch while this waits; empty: never.
  absl::StatusOr<Permit> Enter(CallKind kind,
                               const std::function<bool()>& cancelled = {});

  // The same without a thread that waits: `done` is called once with the
  // answer, without a lock, now or later on some other thread. Returns a
  // ticket for Forget.
  using Done = std::function<void(absl::StatusOr<Permit>)>;
  uint64_t EnterLater(CallKind kind, Done done);
  // Leaves the queue. True: `done` will not be called; false: it has been
  // called or is about to be.
  bool Forget(CallKind kind, uint64_t ticket);

  // Calls that wait are sent away.
  void StopAdmitting();

  size_t running_calls() const;
  size_t waiting_calls() const;

  // Whether no call was running before `deadline`.
  bool WaitUntilIdle(std::chrono::steady_clock::time_point deadline);

 private:
  struct Waiter {
    uint64_t ticket;
    Timer::TimePoint expiry;
    Done done;
  };
  using Queue = std::list<Waiter>;  // first come first; expiries ascend

  void Leave(CallKind kind);
  void ExpireWaiters();
  void CheckCounts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Draining() const;

  const std::array<size_t, kCallKindCount> limits_;
  const size_t max_queued_;
  const std::chrono::milliseconds queue_timeout_;

  CancellationWatch* const watch_;

  mutable absl::Mutex mutex_;
  std::array<size_t, kCallKindCount> running_ ABSL_GUARDED_BY(mutex_) = {};
  std::array<Queue, kCallKindCount> queues_ ABSL_GUARDED_BY(mutex_);
  size_t running_total_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;

  Alarm expiry_;  // last: it uses all of the above
};

}  // namespace qstore::server
