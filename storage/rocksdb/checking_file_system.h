// A file system for RocksDB that checks each table as it is opened.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

namespace qstore::storage {

// Opening a table whose properties are damaged is an error
// (storage/rocksdb/table_check.h), and so is a directory that cannot be looked
// at; everything else is `target`'s.
std::shared_ptr<rocksdb::FileSystem> NewCheckingFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& target);

}  // namespace qstore::storage
