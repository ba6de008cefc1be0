// Cancels calls whose clients have neither sent nor taken anything for too
// long, so that a client which is connected but does nothing cannot hold an
// upload's, a download's or a verification's place for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace qstore::server {

// Thread-safe; outlives the calls it watches.
class StallWatch {
 public:
  // A call is cancelled when it has waited for its client for `timeout`; zero:
  // never. Looked at often enough that no wait is longer than 1.25 times that.
  explicit StallWatch(std::chrono::milliseconds timeout);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  class Call {
   public:
    // `cancel` is called at most once, on the watch's thread, and not after
    // the destructor has returned; it may destroy this.
    Call(StallWatch* watch, std::function<void()> cancel);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Around each wait for the client.
    void BeginWait();
    void EndWait();
    // Whether this was cancelled for stalling.
    bool stalled() const;

   private:
    friend class StallWatch;
    struct State;
    StallWatch* const watch_;
    const std::shared_ptr<State> state_;
  };

  std::chrono::milliseconds timeout() const { return timeout_; }

 private:
  void Watch();

  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;                          // guarded by mutex_
  std::list<std::shared_ptr<Call::State>> calls_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace qstore::server
