// What a person at this command line can do about an error. The library says
// what is wrong; only here it is known which options there are.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace qstore::cli {

// The error's sentence, with what to do where there is more to say than the
// sentence does. `server`: as --server has it.
std::string ErrorForPeople(const absl::Status& error,
                           const std::string& server);

}  // namespace qstore::cli
