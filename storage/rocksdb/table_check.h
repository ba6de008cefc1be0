// A check of RocksDB's table files that RocksDB makes too late.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qstore::storage {

// Bytes [offset_bytes, + size_bytes) of a file; fewer only at its end.
using ReadAt = std::function<absl::StatusOr<std::string>(uint64_t offset_bytes,
                                                         uint64_t size_bytes)>;

// RocksDB parses the properties of a table before it compares their checksum,
// and Debian builds it with assertions: a changed bit there ends the process.
// DATA_LOSS when the block of properties does not have its checksum. All damage
// elsewhere RocksDB finds by itself. Returns where the blocks of values end, 0
// when it is not to be found.
absl::StatusOr<uint64_t> CheckTableProperties(const ReadAt& read,
                                              uint64_t file_size_bytes);

}  // namespace qstore::storage
