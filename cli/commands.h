// Runs a command and prints its result.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "cli/command_line.h"
#include "cli/progress.h"
#include "client/cancellation.h"
#include "client/session.h"

namespace qstore::cli {

// Where a command prints: results to `out`, notes and errors to `err`.
struct Terminal {
  std::ostream* out;
  std::ostream* err;
  ProgressStyle progress_style = ProgressStyle::kHidden;
};

// Returns the exit code. Prints the result, or one sentence on `err` and, with
// --json, {"error": …} on `out`. `session` is one of line.session.
int RunCommand(const CommandLine& line, client::Session* session,
               client::Cancellation* cancellation, const Terminal& terminal);

// Prints an error as above.
void PrintError(const absl::Status& error, const std::string& server, bool json,
                const Terminal& terminal);

}  // namespace qstore::cli
