// The last resort of a stop.
#pragma once

#include <chrono>

namespace qstore::server {

// How long after the grace period a stop may last: answers are sent, values
// unpinned, files closed.
inline constexpr std::chrono::seconds kStopTimeout{5};

// Ends the process with status 1 and a line on standard error, unless
// ClearStopDeadline is called before. Whatever holds the stop up, a thread that
// waits for a disk, say, nothing acknowledged is lost: it is as after a kill.
// One at a time; by SIGALRM, so that neither a lock nor a thread is needed.
void SetStopDeadline(std::chrono::seconds timeout);
void ClearStopDeadline();

}  // namespace qstore::server
