#include "server/process/stop_deadline.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>

namespace qstore::server {
namespace {

// Only what a signal handler may do.
void EndProcess(int /*signal_number*/) {
  constexpr char kLastWords[] =
      "qstored: the stop is held up, calls that were cancelled have not ended: "
      "ending the process; nothing acknowledged is lost\n";
  const ssize_t written =
      write(STDERR_FILENO, kLastWords, sizeof(kLastWords) - 1);
  static_cast<void>(written);  // there is nobody else to tell
  _exit(EXIT_FAILURE);
}

}  // namespace

void SetStopDeadline(std::chrono::seconds timeout) {
  signal(SIGALRM, EndProcess);
  // Zero would be none.
  constexpr int64_t kMost = std::numeric_limits<unsigned>::max();
  alarm(static_cast<unsigned>(std::clamp<int64_t>(timeout.count(), 1, kMost)));
}

void ClearStopDeadline() { alarm(0); }

}  // namespace qstore::server
