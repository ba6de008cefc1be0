// Failpoints: named places in the code where tests make a process die, fail or
// wait.
//
// What a point does is chosen when a program is linked: in what is shipped Hit
// is an empty function (no_failpoints.cc) and the rest of this file is not
// there; the binary qstored_failpoints and the unit tests are linked with
// failpoint.cc. docs/decisions/failpoints.md says why.
//
// There a process arms its points at their first use from the environment
// variable QSTORE_FAILPOINTS, a test by Arm. Settings are separated by ";":
//
//   NAME=[PERCENT%][TIMES*]ACTION[@FIRST]
//   ACTION: crash | error(CODE) | delay(MILLISECONDS)
//
// "commit.records=crash" dies as by SIGKILL at the first hit of this point,
// "table.put=1*error(INTERNAL)@3" fails its third hit and no other,
// "read.value=5%delay(20)" lets each hit wait with a probability of 5 %.
// "seed=N" seeds the probabilities. Whatever happens at a point is a line on
// stderr: "failpoint NAME: ACTION".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "base/failpoints/failpoint_table.h"
#include "base/status.h"

namespace qstore::failpoint {

// Arms the points that `settings` names. INVALID_ARGUMENT quotes what cannot be
// read; the settings before it are armed then.
absl::Status Arm(std::string_view settings);

void DisarmAll();

// How often the point has died, failed or waited.
uint64_t FiredCount(size_t index);

// Called by the macros. Thread-safe, as everything here.
absl::Status Hit(size_t index);

}  // namespace qstore::failpoint

// OK, or the error that the point is armed with.
#define QSTORE_FAILPOINT_STATUS(name) \
  ::qstore::failpoint::Hit(::qstore::failpoint::IndexOf(name))
// Returns the error from the function around it.
#define QSTORE_FAILPOINT(name) \
  QSTORE_RETURN_IF_ERROR(QSTORE_FAILPOINT_STATUS(name))
