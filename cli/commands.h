// Runs a command and prints its result.
#pragma once

#include <ostream>

#include "absl/status/status.h"
#include "cli/command_line.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/progress.h"

namespace qstore::client {

// Where a command prints: results to `out`, notes and errors to `err`.
struct Terminal {
  std::ostream* out;
  std::ostream* err;
  ProgressStyle progress_style = ProgressStyle::kHidden;
};

// Returns the exit code. Prints the result, or one sentence on `err` and, with
// --json, {"error": …} on `out`.
int RunCommand(const CommandLine& line, Connection* connection,
               Cancellation* cancellation, const Terminal& terminal);

// Prints an error as above.
void PrintError(const absl::Status& error, bool json, const Terminal& terminal);

}  // namespace qstore::client
