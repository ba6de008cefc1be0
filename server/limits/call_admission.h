// Which calls may run now: limits by kind, a bounded queue before each, and
// none when the server drains.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

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

  explicit CallAdmission(const Limits& limits);
  ~CallAdmission();
  CallAdmission(const CallAdmission&) = delete;
  CallAdmission& operator=(const CallAdmission&) = delete;

  // Waits for its turn, first come, first served. RESOURCE_EXHAUSTED with a
  // retry hint when the queue is full or the wait too long, UNAVAILABLE with
  // one once draining, CANCELLED soon after `cancelled` (called on this thread
  // alone; empty: never) has come true.
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
    std::chrono::steady_clock::time_point expiry;
    Done done;
  };
  using Queue = std::list<Waiter>;  // first come first; expiries ascend

  void Leave(CallKind kind);
  void ExpireWaiters();
  absl::Status Draining() const;

  const std::array<size_t, kCallKindCount> limits_;
  const size_t max_queued_;
  const std::chrono::milliseconds queue_timeout_;

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::condition_variable queue_changed_;
  std::array<size_t, kCallKindCount> running_{};  // guarded by mutex_
  std::array<Queue, kCallKindCount> queues_;      // guarded by mutex_
  size_t running_total_ = 0;                      // guarded by mutex_
  uint64_t next_ticket_ = 1;                      // guarded by mutex_
  bool draining_ = false;                         // guarded by mutex_
  bool stopping_ = false;                         // guarded by mutex_

  std::thread expiry_thread_;
};

}  // namespace qstore::server
