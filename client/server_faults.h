// What a client finds wrong in what a server sent: not what the server says
// itself, which has the server's reason.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace qstore::client {

// INTERNAL, CONTRADICTION: no server that works says this.
absl::Status ContradictionError(const std::string& sentence);

// DATA_LOSS, DAMAGED_IN_TRANSIT: it did not come as it was sent, or not whole.
absl::Status DamagedInTransitError(const std::string& sentence);

// Whether this is one of the two. Where a download was resumed they may be due
// to what an earlier one left.
bool IsServerFault(const absl::Status& status);

}  // namespace qstore::client
