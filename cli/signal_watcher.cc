#include "cli/signal_watcher.h"

#include <pthread.h>
#include <unistd.h>

namespace qstore::cli {
namespace {

// Wakes the watching thread up when the process ends without a signal.
constexpr int kStopSignal = SIGUSR1;
constexpr int kSignalExitBase = 128;

}  // namespace

SignalWatcher::SignalWatcher(client::Cancellation* cancellation)
    : cancellation_(cancellation) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, kStopSignal);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { Run(); });
}

SignalWatcher::~SignalWatcher() {
  pthread_kill(thread_.native_handle(), kStopSignal);
  thread_.join();
}

void SignalWatcher::Run() {
  while (true) {
    int number = 0;
    if (sigwait(&signals_, &number) != 0) continue;
    if (number == kStopSignal) return;
    if (signal_number_ != 0) _exit(kSignalExitBase + number);
    signal_number_ = number;
    cancellation_->Cancel();
  }
}

}  // namespace qstore::cli
