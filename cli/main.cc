// qstore-client: the command line of the model store.
#include <malloc.h>

#include <csignal>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/signal_watcher.h"
#include "client/cancellation.h"
#include "client/session.h"

QSTORE_OPEN_STANDARD_DESCRIPTORS();

namespace {

constexpr int kSignalExitBase = 128;

// Message and chunk buffers come and go; without this glibc gives each back to
// the kernel and takes fresh, zeroed pages for the next.
void KeepLargeBlocks() {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
  constexpr int kKeptBytes = 64 << 20;
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, 4 * kKeptBytes);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using namespace qstore::cli;  // NOLINT(google-build-using-namespace)
  KeepLargeBlocks();
#ifdef NDEBUG
  // Debian's absl would look for cycles at each lock of a mutex.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  // A reader of our output that went away is an error of a write, not a death.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  const Terminal terminal{.out = &std::cout,
                          .err = &std::cerr,
                          .progress_style = ProgressStyleForStderr()};
  const ParsedCommandLine parsed = ParseCommandLine(argc, argv);
  if (!parsed.command_line.has_value()) {
    std::cout << parsed.output << std::flush;
    if (parsed.exit_code != kExitOk) {
      PrintError(absl::InvalidArgumentError(parsed.error), /*server=*/"",
                 parsed.json, terminal);
    }
    return parsed.exit_code;
  }
  qstore::client::Cancellation cancellation;
  const SignalWatcher signals(&cancellation);
  qstore::client::Session session(parsed.command_line->session);
  const int exit_code =
      RunCommand(*parsed.command_line, &session, &cancellation, terminal);
  if (exit_code == kExitOk) {
    // What could not be printed was not delivered.
    return std::cout.good() ? kExitOk : kExitFailure;
  }
  return signals.signal_number() != 0
             ? kSignalExitBase + signals.signal_number()
             : exit_code;
}
