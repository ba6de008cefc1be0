// Which calls may run now: limits by kind, a bounded queue before each, shares
// for the addresses that call, and none when the server drains.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/timer.h"
#include "server/limits/stall_watch.h"

namespace qstore::server {

enum class CallKind {
  // Work of moments on a thread of its own: list, show, tag, delete.
  kShort = 0,
  kUpload = 1,
  kDownload = 2,
  kVerify = 3,
  // Takes no thread while it waits: nothing but draining keeps it out.
  kWaiting = 4,
};
inline constexpr int kCallKindCount = 5;

// Thread-safe; outlives its permits and whoever waits for one.
//
// An address (peer_address.h) is never kept out by another one for long: of
// those that wait, the next is of the address that runs fewest; a full queue
// lets go of the last one of the address that has most in it; and a call that
// has waited for a third of its time gets the place of a call of an address
// that has more than its share, which is the limit divided by the addresses
// that run or wait. Of these calls the one goes whose client has been waited
// for longest, or else the last that came.
class CallAdmission {
 public:
  struct Limits {
    size_t short_calls = 16;
    size_t uploads = 8;
    size_t downloads = 64;
    size_t verifies = 2;
    // Calls of each kind but short ones that may wait for one of them to end,
    // and how long.
    size_t queued = 32;
    std::chrono::milliseconds queue_timeout{30'000};
  };

  class Permit;

  // The timer, which ends waits that are too long, outlives this.
  CallAdmission(const Limits& limits, Timer* timer);
  ~CallAdmission();
  CallAdmission(const CallAdmission&) = delete;
  CallAdmission& operator=(const CallAdmission&) = delete;

  // Who asks.
  struct Caller {
    std::string address;
    // By which it is ended in favour of another address; null: never. Outlives
    // the permit.
    StallWatch::Call* call = nullptr;
  };

  // `done` is called once with the answer, without a lock, now or later on some
  // other thread: a place, RESOURCE_EXHAUSTED with a retry hint when the queue
  // is full or the wait too long, UNAVAILABLE with one once draining. Returns a
  // ticket for Forget, 0 when `done` has been called.
  using Done = std::function<void(absl::StatusOr<Permit>)>;
  uint64_t EnterLater(CallKind kind, Caller caller, Done done);
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
  using Running = std::list<Caller>;  // first come first
  struct Waiter {
    uint64_t ticket;
    Timer::TimePoint expiry;
    // When another address is asked for a place; past: it has been.
    Timer::TimePoint claim;
    Caller caller;
    Done done;
  };
  using Queue = std::list<Waiter>;  // first come first; expiries ascend
  struct Places {
    size_t limit = 0;
    size_t max_queued = 0;
    Running running;
    std::unordered_map<std::string, size_t> running_by_address;
    Queue queue;
  };

  Places& places(CallKind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return places_[static_cast<size_t>(kind)];
  }
  Permit Run(CallKind kind, Caller caller)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(CallKind kind, Running::iterator caller);
  // Whether the queue has a place for a caller from `address`. In a full one it
  // takes that of another address's call, whose `done` becomes *gone.
  static bool MakeRoom(Places& places, const std::string& address, Done* gone);
  static Queue::iterator Next(Places& places);
  // What an address may have while others wait.
  static size_t ShareOf(const Places& places);
  static void ClaimPlaceFor(const Waiter& waiter, Places& places);
  void Expire();
  void SetAlarm(const Places& places) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckCounts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static absl::Status QueueFull(CallKind kind, const Places& places);
  absl::Status Draining() const;

  const std::chrono::milliseconds queue_timeout_;

  mutable absl::Mutex mutex_;
  std::array<Places, kCallKindCount> places_ ABSL_GUARDED_BY(mutex_);
  size_t running_total_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;

  Alarm expiry_;  // last: it uses all of the above
};

// A running call.
class CallAdmission::Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)),
        kind_(other.kind_),
        caller_(other.caller_) {}
  Permit& operator=(Permit&& other) noexcept;
  ~Permit() { Release(); }
  void Release();
  // Caller::call goes before this; the place is not claimed for others any
  // more.
  void OutliveCall();

 private:
  friend class CallAdmission;
  Permit(CallAdmission* admission, CallKind kind, Running::iterator caller)
      : admission_(admission), kind_(kind), caller_(caller) {}

  CallAdmission* admission_ = nullptr;
  CallKind kind_ = CallKind::kShort;
  Running::iterator caller_;
};

}  // namespace qstore::server
