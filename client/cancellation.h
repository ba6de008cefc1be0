// Lets another thread, or a signal, stop work that is under way.
#pragma once

#include <atomic>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace qstore::client {

// Thread-safe. Once cancelled it stays so.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const { return cancelled_; }

  // While it lives, Cancel runs `action` (at once if it has happened already),
  // which must not touch scopes itself. The destructor waits for a running
  // action.
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
  absl::Mutex mutex_;
  std::map<const Scope*, std::function<void()>> actions_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::client
