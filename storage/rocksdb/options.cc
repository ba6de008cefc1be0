#include "storage/rocksdb/options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

namespace qstore::storage {
namespace {

// RocksDB's own log file would abort the process on a full disk (Debian builds
// it with assertions); what it warns of comes back to callers as statuses.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

}  // namespace

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions database;
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.max_open_files = options.max_open_files;
  database.max_background_jobs = options.background_threads;
  database.max_manifest_file_size = 64u << 20;
  database.info_log = std::make_shared<SilentLogger>();
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.statistics = rocksdb::CreateDBStatistics();
  database.statistics->set_stats_level(
      rocksdb::StatsLevel::kExceptHistogramOrTimers);
  // storage/rocksdb/manifest_guard.h says why.
  database.max_bgerror_resume_count = 0;
  return database;
}

rocksdb::ColumnFamilyOptions ColumnOptions(
    Column column, const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache;
  table.checksum = rocksdb::kXXH3;
  // Newer versions of RocksDB write another by default, which older ones cannot
  // read and table_check.h does not know.
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  if (column.is_records()) {
    options.level0_file_num_compaction_trigger = 8;
  } else {
    // A block is closed as soon as it holds a value: what is read and pinned
    // is what was asked for.
    table.block_size = 1;
    // Values arrive in table files of disjoint ranges and are never rewritten,
    // but where a deletion compacts what is left of a file.
    options.disable_auto_compactions = true;
    options.num_levels = 2;
    options.target_file_size_base = 1u << 30;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace qstore::storage
