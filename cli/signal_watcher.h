// Turns SIGINT and SIGTERM into a cancellation.
#pragma once

#include <atomic>
#include <csignal>
#include <thread>

#include "client/cancellation.h"

namespace qstore::cli {

// Must be made before any other thread, which then inherits its signal mask.
// The first signal cancels; a second one ends the process at once.
class SignalWatcher {
 public:
  explicit SignalWatcher(client::Cancellation* cancellation);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // The signal that came, or 0.
  int signal_number() const { return signal_number_; }

 private:
  void Run();

  client::Cancellation* const cancellation_;
  sigset_t signals_ = {};
  std::atomic<int> signal_number_ = 0;
  std::thread thread_;
};

}  // namespace qstore::cli
