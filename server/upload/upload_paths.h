// Which paths one upload may have.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"

namespace qstore::server {

// INVALID_ARGUMENT: `path` is no relative path, has a name that QStore keeps
// for itself (model/reserved_names.h), is among `paths` already, or is a
// directory of one of them or the other way round.
absl::Status CheckUploadPath(const std::set<std::string>& paths,
                             const std::string& path);

}  // namespace qstore::server
