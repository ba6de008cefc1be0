// A check that RocksDB does not make of the log of its versions (the file that
// CURRENT names, MANIFEST-...).
//
// RocksDB takes a record whose header says that it is longer than the file, or
// of a recycled log, for the torn end of a write that was never acknowledged,
// and forgets it and all that follows. One changed byte of a header looks the
// same, and acknowledged revisions would be gone without a word. The two can be
// told apart: the checksum of a record covers its type and payload, not its
// length, so a record that fits its checksum under some other length or type is
// damaged, not torn.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace qstore::storage {

// DATA_LOSS names the file and the offset of a record that is whole but for its
// header. A directory without a database is OK; so is everything that RocksDB
// notices by itself.
absl::Status CheckDatabaseLog(const std::filesystem::path& directory);

// The same for the bytes of such a file; the message names the offset alone.
absl::Status CheckDatabaseLogBytes(ByteView bytes);

}  // namespace qstore::storage
