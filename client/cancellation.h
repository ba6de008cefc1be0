// Lets a signal stop work that runs on other threads.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

namespace qstore::client {

// Thread-safe. Once cancelled it stays so.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel();
  bool cancelled() const { return cancelled_; }

  // While it lives, Cancel runs `action` (at once if it has happened already).
  // At most one lives at a time. The destructor waits for a running action.
  class Scope {
   public:
    Scope(Cancellation* cancellation, std::function<void()> action);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Cancellation* const cancellation_;
  };

 private:
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::function<void()> action_;  // guarded by mutex_
};

}  // namespace qstore::client
