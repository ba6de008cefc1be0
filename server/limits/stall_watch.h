// Cancels calls whose clients have neither sent nor taken anything for too
// long, so that a client which is connected but does nothing cannot hold an
// upload's, a download's or a verification's place for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/timer.h"

namespace qstore::server {

// Thread-safe; outlives the calls it watches.
class StallWatch {
 public:
  // A call is cancelled when it has waited for its client for `timeout`; zero:
  // never. Looked at often enough, while there are calls, that no wait is
  // longer than 1.25 times that. The timer outlives the watch.
  StallWatch(std::chrono::milliseconds timeout, Timer* timer);
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  class Call {
   public:
    // `cancel` is called at most once, on the timer's thread, and not after
    // the destructor has returned; it may destroy this. Hold no lock that it
    // takes when this is destroyed.
    Call(StallWatch* watch, std::function<void()> cancel);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Around each wait for the client.
    void BeginWait();
    void EndWait();
    // How long the wait has lasted that it is in; zero: none.
    std::chrono::milliseconds waited() const;
    // Cancels it now, as if it had stalled. Does not wait for that.
    void Expire();
    // Whether this was cancelled for stalling, or by Expire.
    bool stalled() const;
    bool expired() const;

   private:
    friend class StallWatch;
    struct State;
    void SetWaitingSince(int64_t since);
    StallWatch* const watch_;
    const std::shared_ptr<State> state_;
    std::list<std::shared_ptr<State>>::iterator place_;  // under watch_->mutex_
  };

  std::chrono::milliseconds timeout() const { return timeout_; }

 private:
  void CancelStalled();
  void LookAgainNow();
  void LookAgainLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::chrono::milliseconds timeout_;
  Timer* const timer_;
  absl::Mutex mutex_;
  std::list<std::shared_ptr<Call::State>> calls_ ABSL_GUARDED_BY(mutex_);
  Alarm alarm_;  // last: it uses all of the above
};

}  // namespace qstore::server
