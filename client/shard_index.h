// Indexes of sharded models: JSON objects whose `weight_map` gives each tensor
// the file that holds it.
#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace qstore::client {

// The files that an index names, as it names them. INVALID_ARGUMENT when it
// cannot be understood; the message goes on after the index's name.
absl::StatusOr<std::set<std::string>> ShardsNamedIn(const std::string& index);

}  // namespace qstore::client
