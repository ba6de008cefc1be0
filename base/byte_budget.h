// A counting semaphore over bytes: the one way in which this project bounds the
// memory of work in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/cancellation_watch.h"

namespace qstore {

// Thread-safe. Requests are served in the order in which they came, so that a
// large one is not starved by small ones. A request larger than the whole
// budget is let through when nothing else is held, so that one oversized item
// cannot wait for ever. A thread that holds a lease must not ask for another:
// two such threads could wait for each other.
class ByteBudget {
 public:
  // `watch`, which outlives the budget, wakes those who wait for calls that are
  // cancelled; without one AcquireUnless takes no condition.
  explicit ByteBudget(uint64_t limit_bytes, CancellationWatch* watch = nullptr)
      : limit_bytes_(limit_bytes), watch_(watch) {}
  ~ByteBudget();
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // What is held; gives it back when destroyed. Must not outlive the budget.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();
    void Release();
    uint64_t bytes() const { return bytes_; }

   private:
    friend class ByteBudget;
    Lease(ByteBudget* budget, uint64_t bytes)
        : budget_(budget), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // Blocks until `bytes` are free and every earlier request has been served.
  Lease Acquire(uint64_t bytes);

  // The same, but gives up, with none, soon after `cancelled` has come true. It
  // is asked by the watch while this waits, not when the bytes are free at
  // once; empty: never.
  std::optional<Lease> AcquireUnless(uint64_t bytes,
                                     const std::function<bool()>& cancelled);

  // Never blocks and never exceeds the budget; none when `bytes` are not free
  // or others wait.
  std::optional<Lease> TryAcquire(uint64_t bytes);

  uint64_t held_bytes() const;
  // Callers that wait for room.
  size_t waiting_count() const;
  uint64_t limit_bytes() const { return limit_bytes_; }

 private:
  // Of a caller that waits; guarded by mutex_.
  struct Request {
    uint64_t bytes;
    bool served = false;
    bool given_up = false;
  };

  void Release(uint64_t bytes);
  bool Fits(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those at the head of the line that fit now.
  void ServeWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitEnd(const Request& request) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveUp(Request* request);

  const uint64_t limit_bytes_;
  CancellationWatch* const watch_;  // null: none
  mutable absl::Mutex mutex_;
  uint64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Request*> waiting_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace qstore
