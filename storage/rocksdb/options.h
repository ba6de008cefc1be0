// How RocksDB is set up.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <memory>

#include "storage/rocksdb/column.h"
#include "storage/rocksdb/engine.h"

namespace qstore::storage {

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options);

rocksdb::ColumnFamilyOptions ColumnOptions(
    Column column, const std::shared_ptr<rocksdb::Cache>& block_cache);

}  // namespace qstore::storage
