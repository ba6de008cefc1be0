// A check of RocksDB's manifest that RocksDB does not make.
#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace qstore::storage {

// RocksDB takes a record that claims to go on past the end of its manifest for
// the last one of a process that died while writing, and forgets it. When the
// claim is a damaged length, RocksDB so forgets everything from there on, and
// deletes the table files that it knows of no more. DATA_LOSS when bytes after
// such a claim have the checksum of a whole record, which those of an
// unfinished write do not have; and for damaged types that RocksDB takes for
// the end too. All other damage RocksDB finds by itself.
absl::Status CheckManifestRecords(std::string_view manifest);

// The same for the database in `directory`, if there is one; before it is
// opened. DATA_LOSS also when there are table files but no file CURRENT:
// RocksDB would begin a new database and delete them.
absl::Status CheckManifest(const std::filesystem::path& directory);

}  // namespace qstore::storage
