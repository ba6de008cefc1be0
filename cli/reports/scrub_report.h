// What the server's background check found, as people read it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/results.h"

namespace qstore::cli {

std::string DescribeScrub(const client::ScrubStatus& scrub);
// DATA_LOSS that says what to do when the scrub knows of damage, else OK.
absl::Status DamageError(const client::ScrubStatus& scrub);

}  // namespace qstore::cli
