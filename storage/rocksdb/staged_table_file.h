// A table that is going to be ingested, whose ends are in memory.
//
// RocksDB 7.8 reads the first and the last key of such a table and does not
// look whether that worked: a call that fails there ends the process, since
// Debian builds it with assertions. So the blocks that have them are read as
// the file is opened, where a failure is an error like any other.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>

namespace qstore::storage {

// Tables lie in it before they are ingested.
inline constexpr char kStagingDirectoryName[] = "staging";

// Takes `file` over, also when it fails. `data_bytes`: where its blocks of
// values end.
rocksdb::IOStatus OpenStagedTable(
    uint64_t data_bytes, uint64_t size_bytes, const rocksdb::IOOptions& options,
    rocksdb::IODebugContext* debug,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file);

}  // namespace qstore::storage
