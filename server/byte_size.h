// Sizes as an operator writes them: "384MiB", "2GiB", or a number of bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace qstore::server {

struct ByteSizeRange {
  uint64_t least_bytes = 0;
  uint64_t most_bytes = 0;
  bool allow_zero = false;  // beside what is in the range
};

// A whole number and a unit: KiB, MiB, GiB, TiB are powers of 1024, kB, MB, GB,
// TB of 1000, no unit is bytes; case does not matter. INVALID_ARGUMENT says
// what is wrong and how to write it.
absl::StatusOr<uint64_t> ParseByteSize(const std::string& text,
                                       const ByteSizeRange& range);

// The shortest spelling that ParseByteSize reads back as `bytes`: "384MiB",
// "1025".
std::string ByteSizeText(uint64_t bytes);

}  // namespace qstore::server
