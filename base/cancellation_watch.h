// Wakes those who wait on behalf of a call when the call is cancelled.
//
// A synchronous handler of gRPC (1.51) is not told that its call is over: its
// ServerContext has no callback, only IsCancelled(). So somebody has to ask
// again and again while a handler's thread waits for something else, such as
// room in a budget. That is done here, in one place, on the timer, so that
// those who wait sleep until they are woken, and nothing is asked while nobody
// waits.
#pragma once

#include <chrono>
#include <functional>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/timer.h"

namespace qstore {

// Thread-safe; outlives its waiters.
class CancellationWatch {
 public:
  // How late a waiter may learn of it.
  static constexpr std::chrono::milliseconds kInterval{100};

  // The timer outlives the watch.
  explicit CancellationWatch(Timer* timer);
  ~CancellationWatch();
  CancellationWatch(const CancellationWatch&) = delete;
  CancellationWatch& operator=(const CancellationWatch&) = delete;

  // A wait that is to end when its call does. Made before the wait and
  // destroyed after it, by the thread that waits.
  class Waiter {
   public:
    // Every kInterval `cancelled` is asked, until it says so; then `wake` is
    // called, once. Both are called on the timer's thread, without a lock, are
    // short, and outlive this.
    Waiter(CancellationWatch* watch, const std::function<bool()>& cancelled,
           const std::function<void()>& wake);
    // Neither is called any more. Hold no lock that they take.
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    friend class CancellationWatch;
    CancellationWatch* const watch_;
    const std::function<bool()>& cancelled_;
    const std::function<void()>& wake_;
    bool woken_ = false;  // used by the timer's thread alone
    std::list<Waiter*>::iterator place_;
  };

 private:
  void AskAll();

  absl::Mutex mutex_;
  std::list<Waiter*> waiters_ ABSL_GUARDED_BY(mutex_);
  // Whose functions are being called; stays in the list meanwhile.
  const Waiter* asked_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Alarm alarm_;  // last: it uses all of the above
};

}  // namespace qstore
