#include "storage/rocksdb/rocksdb_engine.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "storage/directories.h"
#include "storage/rocksdb/histogram_text.h"
#include "storage/rocksdb/rocksdb_checking_file_system.h"
#include "storage/rocksdb/rocksdb_manifest_check.h"
#include "storage/rocksdb/rocksdb_manifest_guard.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/rocksdb_versions.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;
using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;
using rocksdb::Status;

// How often RocksDB tries to write a manifest after one failed; the first
// attempt is made at once. Some calls wait for the next.
constexpr uint64_t kRecoveryIntervalMicros = 200'000;
constexpr std::chrono::seconds kLongestWait(1);
constexpr std::chrono::milliseconds kPoll(2);

constexpr char kStopped[] =
    "the store takes no writes until its disk does, and finds out by itself "
    "when that is; see to the disk";
constexpr char kStoppedForGood[] =
    "the store takes no writes until qstored is started again";

// RocksDB's own log file would abort the process on a full disk (Debian builds
// it with assertions); what it warns of comes back to callers as statuses.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options,
                                   rocksdb::Env* env) {
  rocksdb::DBOptions database;
  database.env = env;
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
  // No listeners: rocksdb_manifest_guard.h says why.
  database.bgerror_resume_retry_interval = kRecoveryIntervalMicros;
  return database;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    Family family, const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache;
  table.checksum = rocksdb::kXXH3;
  // Newer versions of RocksDB write another by default, which older ones cannot
  // read and rocksdb_table_check.h does not know.
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  if (family == Family::kManifest) {
    options.level0_file_num_compaction_trigger = 8;
  } else {
    // A block is closed as soon as it holds a value: what is read and pinned
    // is what was asked for.
    table.block_size = 1;
    // Values arrive in table files of disjoint ranges and are never rewritten,
    // but where DeleteRange compacts what is left of a file.
    options.disable_auto_compactions = true;
    options.num_levels = 2;
    options.target_file_size_base = 1u << 30;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// An open database with our families.
struct Database {
  ~Database() {
    for (ColumnFamilyHandle* handle : handles) {
      db->DestroyColumnFamilyHandle(handle);
    }
    if (db == nullptr) return;
    // Here alone is Resume harmless: it says whether RocksDB still tries.
    while (guard->DetachInDoubt() && db->Resume().IsBusy()) {
      std::this_thread::sleep_for(kPoll);
    }
    db->Close().PermitUncheckedError();
  }

  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const fs::path& directory, const RocksDbOptions& options) {
    // Few shards: a shard smaller than a value could not keep any.
    auto database = std::make_unique<Database>();
    database->directory = directory;
    database->guard = std::make_shared<ManifestGuard>(
        NewCheckingFileSystem(rocksdb::FileSystem::Default()),
        options.report_writing);
    database->env = rocksdb::NewCompositeEnv(database->guard);
    database->block_cache = rocksdb::NewLRUCache(options.block_cache_bytes,
                                                 /*num_shard_bits=*/2);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    descriptors.reserve(kFamilyCount + 1);
    for (const Family family : kAllFamilies) {
      descriptors.emplace_back(std::string(FamilyName(family)),
                               FamilyOptions(family, database->block_cache));
    }
    // RocksDB wants its default family opened; nothing is stored there.
    descriptors.emplace_back(
        rocksdb::kDefaultColumnFamilyName,
        FamilyOptions(Family::kManifest, database->block_cache));
    rocksdb::DB* db = nullptr;
    const Status status = rocksdb::DB::Open(
        DatabaseOptions(options, database->env.get()), directory.string(),
        descriptors, &database->handles, &db);
    if (!status.ok()) return ToOpenStatus(status, directory);
    database->db.reset(db);
    return database;
  }

  ColumnFamilyHandle* Handle(Family family) const {
    return handles[FamilyIndex(family)];
  }
  rocksdb::Options Options(Family family) const {
    return db->GetOptions(Handle(family));
  }
  fs::path StagingDirectory() const { return directory / "staging"; }

  // Tries again when it failed, so that writing works as soon as there is
  // space. When RocksDB has stopped, it waits for the outcome of its next
  // attempt to recover (rocksdb_manifest_guard.h).
  absl::Status Ingest(
      const std::vector<rocksdb::IngestExternalFileArg>& tables) const {
    Status status = db->IngestExternalFiles(tables);
    if (status.ok()) return absl::OkStatus();
    const uint64_t failure_count = guard->failure_count();
    const auto give_up = std::chrono::steady_clock::now() + kLongestWait;
    for (;;) {
      status = db->IngestExternalFiles(tables);
      // What stopped RocksDB before it looked at the tables has a severity.
      if (status.severity() == Status::Severity::kNoError) {
        return ToStatus(status, "ingesting tables");
      }
      if (status.severity() > Status::Severity::kHardError ||
          guard->failure_count() != failure_count ||
          std::chrono::steady_clock::now() > give_up) {
        break;
      }
      std::this_thread::sleep_for(kPoll);
    }
    return ToStatus(status, status.severity() > Status::Severity::kHardError
                                ? kStoppedForGood
                                : kStopped);
  }

  fs::path directory;
  std::shared_ptr<ManifestGuard> guard;
  std::unique_ptr<rocksdb::Env> env;
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<ColumnFamilyHandle*> handles;
  std::atomic<uint64_t> next_table_number = 0;
};

// One table file per family, in the staging directory until Ingest.
class RocksDbBulkWriter final : public BulkWriter {
 public:
  explicit RocksDbBulkWriter(Database* database)
      : database_(*database), number_(database->next_table_number++) {}

  ~RocksDbBulkWriter() override {
    for (auto& table : tables_) table.reset();
    for (const std::string& path : paths_) {
      std::error_code ignored;
      if (!path.empty()) fs::remove(path, ignored);
    }
  }

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    QSTORE_RETURN_IF_ERROR(Write(family, key, [&](Table* table) {
      return table->Put(ToSlice(key), ToSlice(AsStringView(value)));
    }));
    size_bytes_ += key.size() + value.size();
    return absl::OkStatus();
  }

  absl::Status Delete(Family family, std::string_view key) {
    return Write(family, key,
                 [&](Table* t) { return t->Delete(ToSlice(key)); });
  }

  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) {
    return Write(family, begin, [&](Table* table) {
      return table->DeleteRange(ToSlice(begin), ToSlice(end));
    });
  }

  absl::Status Ingest() override {
    if (std::exchange(spent_, true)) {
      return absl::FailedPreconditionError("writer is spent");
    }
    std::vector<rocksdb::IngestExternalFileArg> arguments;
    for (const Family family : kAllFamilies) {
      const size_t i = FamilyIndex(family);
      if (tables_[i] == nullptr) continue;
      const Status status = tables_[i]->Finish();
      if (!status.ok()) return ToStatus(status, "finishing " + paths_[i]);
      rocksdb::IngestExternalFileArg argument;
      argument.column_family = database_.Handle(family);
      argument.external_files = {paths_[i]};
      argument.options.move_files = true;
      argument.options.snapshot_consistency = false;
      argument.options.write_global_seqno = false;
      arguments.push_back(std::move(argument));
    }
    if (arguments.empty()) return absl::OkStatus();
    QSTORE_FAILPOINT("table.finished");
    // RocksDB syncs the files and their directory before they become part of
    // the database, all families in one edit of its manifest.
    QSTORE_RETURN_IF_ERROR(database_.Ingest(arguments));
    QSTORE_FAILPOINT("table.ingested");
    return absl::OkStatus();
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  using Table = rocksdb::SstFileWriter;

  template <typename WriteTo>
  absl::Status Write(Family family, std::string_view key,
                     const WriteTo& write_to) {
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    QSTORE_FAILPOINT("table.put");
    auto& table = tables_[FamilyIndex(family)];
    if (table == nullptr) QSTORE_RETURN_IF_ERROR(OpenTable(family));
    const Status status = write_to(table.get());
    // A caller's mistake leaves the table as it was; a failed write does not.
    spent_ = !status.ok() && !status.IsInvalidArgument();
    return ToStatus(status, DescribeKey(family, key));
  }

  absl::Status OpenTable(Family family) {
    QSTORE_FAILPOINT("table.begin");
    const size_t i = FamilyIndex(family);
    const auto options = database_.Options(family);
    auto table = std::make_unique<Table>(rocksdb::EnvOptions(options), options,
                                         database_.Handle(family),
                                         /*invalidate_page_cache=*/false);
    paths_[i] =
        database_.StagingDirectory() /
        absl::StrCat(number_, "-", AbslView(FamilyName(family)), ".sst");
    const Status status = table->Open(paths_[i]);
    if (!status.ok()) return ToStatus(status, "opening " + paths_[i]);
    tables_[i] = std::move(table);
    return absl::OkStatus();
  }

  Database& database_;
  const uint64_t number_;
  std::array<std::string, kFamilyCount> paths_;
  std::array<std::unique_ptr<Table>, kFamilyCount> tables_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

class RocksDbEngine final : public Engine {
 public:
  RocksDbEngine(std::unique_ptr<Database> database, uint64_t cleared_bytes)
      : database_(std::move(database)),
        db_(*database_->db),
        cleared_bytes_(cleared_bytes) {}

  absl::StatusOr<PinnedValue> Get(Family family,
                                  std::string_view key) override {
    auto pin = std::make_shared<Pin>();
    pin->block_cache = database_->block_cache;
    const Status status =
        db_.Get({}, database_->Handle(family), ToSlice(key), &pin->value);
    if (!status.ok()) return ToStatus(status, DescribeKey(family, key));
    keys_read_[FamilyIndex(family)].fetch_add(1, std::memory_order_relaxed);
    const ByteView bytes = AsBytes(ToView(pin->value));
    return PinnedValue(bytes, std::move(pin));
  }

  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    const Visitor& visit) override {
    const Slice upper_bound = ToSlice(end);
    const auto iterator = NewIterator(family, &upper_bound);
    for (iterator->Seek(ToSlice(begin)); iterator->Valid(); iterator->Next()) {
      if (!visit(ToView(iterator->key()), AsBytes(ToView(iterator->value())))) {
        return absl::OkStatus();
      }
    }
    return ToStatus(iterator->status(),
                    absl::StrCat("scanning ", AbslView(FamilyName(family))));
  }

  absl::StatusOr<std::vector<KeyRange>> BulkKeyRanges(Family family) override {
    std::vector<KeyRange> ranges;
    for (TableFile& file : TableFiles(family)) {
      ranges.push_back(std::move(file.range));
    }
    return ranges;
  }

  absl::StatusOr<std::string> LastKey(Family family) override {
    // Everything is in table files; an iterator would read the last value.
    std::optional<std::string> last;
    for (TableFile& file : TableFiles(family)) {
      if (!last.has_value() || *last < file.range.last) {
        last = std::move(file.range.last);
      }
    }
    if (!last.has_value()) return absl::NotFoundError("no last key");
    return *std::move(last);
  }

  // Records are ingested like bulk data rather than put through the write-ahead
  // log: RocksDB 7.8 cannot write to its log again after that met a full disk
  // (docs/decisions/0001-rocksdb-sst-ingestion.md).
  absl::Status Commit(const WriteBatch& batch) override {
    RocksDbBulkWriter tables(database_.get());
    for (const WriteBatch::Operation* operation : LastOperations(batch)) {
      const auto& [kind, family, key, value] = *operation;
      QSTORE_RETURN_IF_ERROR(kind == WriteBatch::Operation::Kind::kPut
                                 ? tables.Put(family, key, AsBytes(value))
                                 : tables.Delete(family, key));
    }
    return tables.Ingest();
  }

  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override {
    return std::make_unique<RocksDbBulkWriter>(database_.get());
  }

  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    if (begin >= end) return absl::OkStatus();
    QSTORE_FAILPOINT("range.begin");
    const Slice begin_slice = ToSlice(begin);
    const Slice end_slice = ToSlice(end);
    // Whole files go without being read.
    const rocksdb::RangePtr range(&begin_slice, &end_slice);
    const Status status = rocksdb::DeleteFilesInRanges(
        &db_, database_->Handle(family), &range, 1, /*include_end=*/false);
    if (!status.ok()) return ToStatus(status, "deleting tables");
    bool any_left = true;
    {
      const auto iterator = NewIterator(family, &end_slice);
      iterator->Seek(begin_slice);
      any_left = iterator->Valid() || !iterator->status().ok();
    }
    if (any_left) QSTORE_RETURN_IF_ERROR(RewriteWithout(family, begin, end));
    // A reader in mid-call keeps the files of the state it began with, and what
    // replaced them does not look again; enabling deletions does.
    if (db_.DisableFileDeletions().ok()) EnableFileDeletions(&db_);
    return absl::OkStatus();
  }

  absl::Status Checkpoint(const fs::path& directory) override {
    rocksdb::Checkpoint* made = nullptr;
    Status status = rocksdb::Checkpoint::Create(&db_, &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    // Nothing is in memory alone (see Commit), so nothing is to be flushed.
    if (status.ok()) {
      status = checkpoint->CreateCheckpoint(
          directory.string(), /*log_size_for_flush=*/
          std::numeric_limits<uint64_t>::max());
    }
    return ToStatus(status, "copying the store to " + directory.string());
  }

  EngineCounters Counters() const override {
    EngineCounters counters;
    for (const Family family : kAllFamilies) {
      const size_t i = FamilyIndex(family);
      counters.keys_read[i] = keys_read_[i].load(std::memory_order_relaxed);
      std::string histograms;
      if (db_.GetProperty(database_->Handle(family),
                          rocksdb::DB::Properties::kCFFileHistogram,
                          &histograms)) {
        counters.native_file_reads[i] = SumOfHistogramCounts(histograms);
      }
    }
    counters.native_keys_read = db_.GetDBOptions().statistics->getTickerCount(
        rocksdb::NUMBER_KEYS_READ);
    return counters;
  }

  uint64_t ClearedBytes() const override { return cleared_bytes_; }

  uint64_t DiskBytes() const override {
    return FileBytesUnder(database_->directory);
  }

  // Finishes what RewriteWithout of an earlier process began: only its marks
  // lie in level 0. What cannot be finished is as good as deleted all the same.
  void FinishRewriting() {
    for (const Family family : kDataFamilies) {
      for (const TableFile& file : TableFiles(family)) {
        if (file.level == 0) {
          Compact(family, file.range.first, file.range.last).IgnoreError();
        }
      }
    }
  }

 private:
  // The cache comes first: it must outlive the slice that releases its block
  // into it, which also makes a pin safe that outlives the engine.
  struct Pin {
    std::shared_ptr<rocksdb::Cache> block_cache;
    rocksdb::PinnableSlice value;
  };

  struct TableFile {
    int level;
    std::string path;
    KeyRange range;
  };

  std::unique_ptr<rocksdb::Iterator> NewIterator(
      Family family, const Slice* upper_bound) const {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.iterate_upper_bound = upper_bound;
    return std::unique_ptr<rocksdb::Iterator>(
        db_.NewIterator(options, database_->Handle(family)));
  }

  std::vector<TableFile> TableFiles(Family family) const {
    rocksdb::ColumnFamilyMetaData metadata;
    db_.GetColumnFamilyMetaData(database_->Handle(family), &metadata);
    std::vector<TableFile> files;
    for (const rocksdb::LevelMetaData& level : metadata.levels) {
      for (const rocksdb::SstFileMetaData& file : level.files) {
        files.push_back({level.level,
                         absl::StrCat(file.db_path, file.name),
                         {file.smallestkey, file.largestkey}});
      }
    }
    return files;
  }

  // What shares a file with other keys is marked, then the file is rewritten.
  absl::Status RewriteWithout(Family family, std::string_view begin,
                              std::string_view end) {
    QSTORE_FAILPOINT("range.mark");
    RocksDbBulkWriter marks(database_.get());
    QSTORE_RETURN_IF_ERROR(marks.DeleteRange(family, begin, end));
    QSTORE_RETURN_IF_ERROR(marks.Ingest());
    QSTORE_FAILPOINT("range.marked");
    return Compact(family, begin, end);
  }

  // A compaction that meets a damaged block stops all writes until the database
  // is opened again; so damage is looked for before one is asked for.
  absl::Status Compact(Family family, std::string_view first,
                       std::string_view last) {
    const rocksdb::Options native = database_->Options(family);
    for (const TableFile& file : TableFiles(family)) {
      if (file.range.last < first || file.range.first > last) continue;
      const Status status = rocksdb::VerifySstFileChecksum(
          native, rocksdb::EnvOptions(native), file.path);
      if (!status.ok()) return ToStatus(status, file.path);
    }
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    const Slice first_slice = ToSlice(first);
    const Slice last_slice = ToSlice(last);
    return ToStatus(db_.CompactRange(options, database_->Handle(family),
                                     &first_slice, &last_slice),
                    "rewriting tables");
  }

  const std::unique_ptr<Database> database_;
  rocksdb::DB& db_;
  const uint64_t cleared_bytes_;
  std::array<std::atomic<uint64_t>, kFamilyCount> keys_read_ = {};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(
    const std::filesystem::path& directory, const RocksDbOptions& options) {
  QSTORE_RETURN_IF_ERROR(MakeDirectory(directory));
  QSTORE_RETURN_IF_ERROR(CheckManifest(directory));
  QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(directory, options));
  QSTORE_FAILPOINT("engine.opened");
  // Only now, with RocksDB's lock held, does the staging directory have no
  // other owner.
  const uint64_t cleared_bytes = FileBytesUnder(database->StagingDirectory());
  QSTORE_RETURN_IF_ERROR(MakeEmptyDirectory(database->StagingDirectory()));
  QSTORE_FAILPOINT("engine.cleared");
  auto engine =
      std::make_unique<RocksDbEngine>(std::move(database), cleared_bytes);
  engine->FinishRewriting();
  return engine;
}

}  // namespace qstore::storage
