// A counting semaphore over bytes: the one way in which this project bounds the
// memory of work in flight.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>

namespace qstore {

// Thread-safe. Requests are served in the order in which they came, so that a
// large one is not starved by small ones. A request larger than the whole
// budget is let through when nothing else is held, so that one oversized item
// cannot wait for ever. A thread that holds a lease must not ask for another:
// two such threads could wait for each other.
class ByteBudget {
 public:
  static constexpr std::chrono::milliseconds kCancelPollInterval{50};

  explicit ByteBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
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

   private:
    friend class ByteBudget;
    Lease(ByteBudget* budget, uint64_t bytes)
        : budget_(budget), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // Blocks until `bytes` are free and every earlier request has been served.
  Lease Acquire(uint64_t bytes);

  // The same, but gives up, with none, within kCancelPollInterval after
  // `cancelled` has come true. It is called on this thread alone, without a
  // lock; empty: never.
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
  void Release(uint64_t bytes);
  bool Fits(uint64_t bytes) const;

  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t held_bytes_ = 0;      // guarded by mutex_
  uint64_t tickets_given_ = 0;   // guarded by mutex_
  std::list<uint64_t> waiting_;  // tickets, oldest first; guarded by mutex_
};

}  // namespace qstore
