#include "storage/rocksdb_engine.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <array>
#include <atomic>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "storage/directories.h"
#include "storage/histogram_text.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::array<Family, kFamilyCount> kFamilies = {
    Family::kManifest, Family::kInt8, Family::kResidual, Family::kPlain};

size_t IndexOf(Family family) { return static_cast<size_t>(family); }

rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
rocksdb::Slice ToSlice(ByteView bytes) { return ToSlice(AsStringView(bytes)); }
std::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// The one place where RocksDB's statuses become ours. RocksDB knows ENOSPC by
// a subcode; a file-size limit and a quota are told by their text alone.
absl::Status ToStatus(const rocksdb::Status& status, const std::string& what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  const std::string message = absl::StrCat(what, ": ", text);
  const auto says = [&text](const char* words) {
    return text.find(words) != std::string::npos;
  };
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit ||
      says("File too large") || says("Disk quota exceeded")) {
    return absl::ResourceExhaustedError(
        absl::StrCat(message, "; free disk space and try again"));
  }
  switch (status.code()) {
    case rocksdb::Status::kNotFound:
      return absl::NotFoundError(message);
    case rocksdb::Status::kCorruption:
      return absl::DataLossError(message);
    case rocksdb::Status::kInvalidArgument:
      return absl::InvalidArgumentError(message);
    case rocksdb::Status::kBusy:
    case rocksdb::Status::kTimedOut:
    case rocksdb::Status::kTryAgain:
    case rocksdb::Status::kAborted:
    case rocksdb::Status::kShutdownInProgress:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

// The same for opening, where a foreign lock or format is the caller's matter.
absl::Status ToOpenStatus(const rocksdb::Status& status, const fs::path& path) {
  const std::string text = status.ToString();
  if (text.find("LOCK") != std::string::npos ||
      text.find("lock ") != std::string::npos) {
    return absl::FailedPreconditionError(absl::StrCat(
        path.string(), " is in use by another process: stop it (", text, ")"));
  }
  if (status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " holds another kind of database: ", text));
  }
  return ToStatus(status, absl::StrCat("opening ", path.string()));
}

// RocksDB would wait five seconds between attempts to recover from a full disk
// and refuse Resume meanwhile. Writers resume by themselves at once (see
// IngestResuming), so RocksDB's attempts are kept to compactions.
class RecoveryPolicy final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason,
                            rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    *auto_recovery = reason == rocksdb::BackgroundErrorReason::kCompaction;
  }
};

// RocksDB's own log file would abort the process on a full disk (Debian builds
// it with assertions); what it warns of comes back to callers as statuses.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions database;
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.max_open_files = options.max_open_files;
  database.max_background_jobs = options.background_threads;
  database.max_manifest_file_size = 64u << 20;
  database.skip_stats_update_on_db_open = true;
  database.info_log = std::make_shared<SilentLogger>();
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.statistics = rocksdb::CreateDBStatistics();
  database.statistics->set_stats_level(
      rocksdb::StatsLevel::kExceptHistogramOrTimers);
  database.listeners.push_back(std::make_shared<RecoveryPolicy>());
  return database;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    Family family, const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache;
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 1u << 20;  // never filled: all data is ingested
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

class RocksDbBulkWriter;

class RocksDbEngine final : public Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Open(
      const fs::path& directory, const RocksDbOptions& options);

  ~RocksDbEngine() override {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      db_->DestroyColumnFamilyHandle(handle);
    }
    db_->Close().PermitUncheckedError();
  }

  absl::StatusOr<PinnedValue> Get(Family family,
                                  std::string_view key) override {
    auto pin = std::make_shared<Pin>();
    pin->block_cache = block_cache_;
    const rocksdb::Status status =
        db_->Get({}, Handle(family), ToSlice(key), &pin->value);
    if (!status.ok()) return ToStatus(status, DescribeKey(family, key));
    keys_read_[IndexOf(family)].fetch_add(1, std::memory_order_relaxed);
    const ByteView bytes = AsBytes(ToView(pin->value));
    return PinnedValue(bytes, std::move(pin));
  }

  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    const Visitor& visit) override {
    const rocksdb::Slice upper_bound = ToSlice(end);
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
    for (const TableFile& file : TableFiles(family))
      ranges.push_back(file.range);
    return ranges;
  }

  absl::StatusOr<std::string> LastKey(Family family) override {
    const auto iterator = NewIterator(family, nullptr);
    iterator->SeekToLast();
    if (iterator->Valid()) return std::string(ToView(iterator->key()));
    const std::string name(FamilyName(family));
    if (!iterator->status().ok()) {
      return ToStatus(iterator->status(),
                      absl::StrCat("seeking the last key of ", name));
    }
    return absl::NotFoundError(absl::StrCat(name, " is empty"));
  }

  absl::Status Commit(const WriteBatch& batch) override;
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override;
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override;
  EngineCounters Counters() const override;
  uint64_t DiskBytes() const override { return FileBytesUnder(directory_); }

 private:
  friend class RocksDbBulkWriter;

  // The cache comes first: it must outlive the slice that releases its block
  // into it, which also makes a pin safe that outlives the engine.
  struct Pin {
    std::shared_ptr<rocksdb::Cache> block_cache;
    rocksdb::PinnableSlice value;
  };

  struct TableFile {
    std::string path;
    KeyRange range;
  };

  RocksDbEngine(fs::path directory, std::shared_ptr<rocksdb::Cache> block_cache)
      : directory_(std::move(directory)),
        block_cache_(std::move(block_cache)) {}

  rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return handles_[IndexOf(family)];
  }

  std::unique_ptr<rocksdb::Iterator> NewIterator(
      Family family, const rocksdb::Slice* upper_bound) const {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.iterate_upper_bound = upper_bound;
    return std::unique_ptr<rocksdb::Iterator>(
        db_->NewIterator(options, Handle(family)));
  }

  fs::path StagingDirectory() const { return directory_ / "staging"; }
  std::vector<TableFile> TableFiles(Family family) const;
  absl::Status CheckTablesOverlapping(Family family, std::string_view begin,
                                      std::string_view end) const;

  // When a failure has stopped the database (as a full disk does), resumes it
  // and tries once more, so that writing works again as soon as there is space.
  rocksdb::Status IngestResuming(
      const std::vector<rocksdb::IngestExternalFileArg>& tables) {
    rocksdb::Status status = db_->IngestExternalFiles(tables);
    if (!status.ok() && db_->Resume().ok()) {
      status = db_->IngestExternalFiles(tables);
    }
    return status;
  }

  // Deletes files that nothing refers to any more.
  void PurgeObsoleteFiles();

  const fs::path directory_;
  const std::shared_ptr<rocksdb::Cache> block_cache_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount + 1> handles_ = {};
  std::array<std::atomic<uint64_t>, kFamilyCount> keys_read_ = {};
  std::atomic<uint64_t> next_staging_number_ = 0;
};

// One table file per family, in the staging directory until Ingest.
class RocksDbBulkWriter final : public BulkWriter {
 public:
  explicit RocksDbBulkWriter(RocksDbEngine* engine)
      : engine_(engine), number_(engine->next_staging_number_++) {}

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
      return table->Put(ToSlice(key), ToSlice(value));
    }));
    size_bytes_ += key.size() + value.size();
    return absl::OkStatus();
  }

  absl::Status Delete(Family family, std::string_view key) {
    return Write(family, key,
                 [&](Table* table) { return table->Delete(ToSlice(key)); });
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
    for (const Family family : kFamilies) {
      const size_t i = IndexOf(family);
      if (tables_[i] == nullptr) continue;
      const rocksdb::Status status = tables_[i]->Finish();
      if (!status.ok()) return ToStatus(status, Describe("finishing", family));
      rocksdb::IngestExternalFileArg argument;
      argument.column_family = engine_->Handle(family);
      argument.external_files = {paths_[i]};
      argument.options.move_files = true;
      argument.options.snapshot_consistency = false;
      argument.options.write_global_seqno = false;
      arguments.push_back(std::move(argument));
    }
    if (arguments.empty()) return absl::OkStatus();
    // RocksDB syncs the files and their directory before they become part of
    // the database, all families in one edit of its manifest.
    return ToStatus(engine_->IngestResuming(arguments), "ingesting tables");
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  using Table = rocksdb::SstFileWriter;

  template <typename WriteTo>
  absl::Status Write(Family family, std::string_view key,
                     const WriteTo& write_to) {
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    auto& table = tables_[IndexOf(family)];
    if (table == nullptr) QSTORE_RETURN_IF_ERROR(OpenTable(family));
    const rocksdb::Status status = write_to(table.get());
    // A caller's mistake leaves the table as it was; a failed write does not.
    spent_ = !status.ok() && !status.IsInvalidArgument();
    return ToStatus(status, DescribeKey(family, key));
  }

  static std::string Describe(const char* action, Family family) {
    return absl::StrCat(action, " a table of ", AbslView(FamilyName(family)));
  }

  absl::Status OpenTable(Family family) {
    const size_t i = IndexOf(family);
    const auto options = engine_->db_->GetOptions(engine_->Handle(family));
    auto table = std::make_unique<Table>(rocksdb::EnvOptions(options), options,
                                         engine_->Handle(family),
                                         /*invalidate_page_cache=*/false);
    paths_[i] =
        engine_->StagingDirectory() /
        absl::StrCat(number_, "-", AbslView(FamilyName(family)), ".sst");
    const rocksdb::Status status = table->Open(paths_[i]);
    if (!status.ok()) return ToStatus(status, Describe("opening", family));
    tables_[i] = std::move(table);
    return absl::OkStatus();
  }

  RocksDbEngine* const engine_;
  const uint64_t number_;
  std::array<std::string, kFamilyCount> paths_;
  std::array<std::unique_ptr<Table>, kFamilyCount> tables_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

absl::StatusOr<std::unique_ptr<Engine>> RocksDbEngine::Open(
    const fs::path& directory, const RocksDbOptions& options) {
  QSTORE_RETURN_IF_ERROR(MakeDirectory(directory));
  // Few shards: a shard smaller than a value could not keep any.
  const auto block_cache =
      rocksdb::NewLRUCache(options.block_cache_bytes, /*num_shard_bits=*/2);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const Family family : kFamilies) {
    descriptors.emplace_back(std::string(FamilyName(family)),
                             FamilyOptions(family, block_cache));
  }
  // RocksDB wants its default family opened; nothing is stored there.
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName,
                           FamilyOptions(Family::kManifest, block_cache));

  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(
      DatabaseOptions(options), directory.string(), descriptors, &handles, &db);
  if (!status.ok()) return ToOpenStatus(status, directory);
  auto engine =
      std::unique_ptr<RocksDbEngine>(new RocksDbEngine(directory, block_cache));
  engine->db_.reset(db);
  std::copy(handles.begin(), handles.end(), engine->handles_.begin());
  // Only now, with RocksDB's lock held, does the staging directory have no
  // other owner.
  QSTORE_RETURN_IF_ERROR(MakeEmptyDirectory(engine->StagingDirectory()));
  return engine;
}

// Records are ingested like bulk data rather than put through the write-ahead
// log: RocksDB 7.8 cannot write to its log again after that met a full disk
// (docs/decisions/0001-rocksdb-sst-ingestion.md).
absl::Status RocksDbEngine::Commit(const WriteBatch& batch) {
  RocksDbBulkWriter tables(this);
  for (const WriteBatch::Operation* operation : LastOperations(batch)) {
    const auto& [kind, family, key, value] = *operation;
    QSTORE_RETURN_IF_ERROR(kind == WriteBatch::Operation::Kind::kPut
                               ? tables.Put(family, key, AsBytes(value))
                               : tables.Delete(family, key));
  }
  return tables.Ingest();
}

absl::StatusOr<std::unique_ptr<BulkWriter>> RocksDbEngine::NewBulkWriter() {
  return std::make_unique<RocksDbBulkWriter>(this);
}

std::vector<RocksDbEngine::TableFile> RocksDbEngine::TableFiles(
    Family family) const {
  rocksdb::ColumnFamilyMetaData metadata;
  db_->GetColumnFamilyMetaData(Handle(family), &metadata);
  std::vector<TableFile> files;
  for (const rocksdb::LevelMetaData& level : metadata.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      files.push_back({absl::StrCat(file.db_path, file.name),
                       {file.smallestkey, file.largestkey}});
    }
  }
  return files;
}

// A compaction that meets a damaged block stops all writes until the database
// is opened again; so damage is looked for before one is asked for.
absl::Status RocksDbEngine::CheckTablesOverlapping(Family family,
                                                   std::string_view begin,
                                                   std::string_view end) const {
  const rocksdb::Options options = db_->GetOptions(Handle(family));
  for (const TableFile& file : TableFiles(family)) {
    if (file.range.last < begin || file.range.first >= end) continue;
    const rocksdb::Status status = rocksdb::VerifySstFileChecksum(
        options, rocksdb::EnvOptions(options), file.path);
    if (!status.ok()) return ToStatus(status, file.path);
  }
  return absl::OkStatus();
}

absl::Status RocksDbEngine::DeleteRange(Family family, std::string_view begin,
                                        std::string_view end) {
  if (begin >= end) return absl::OkStatus();
  rocksdb::ColumnFamilyHandle* handle = Handle(family);
  const rocksdb::Slice begin_slice = ToSlice(begin);
  const rocksdb::Slice end_slice = ToSlice(end);
  const std::string what =
      absl::StrCat("deleting a range of ", AbslView(FamilyName(family)));

  // Whole files go without being read.
  const rocksdb::RangePtr range(&begin_slice, &end_slice);
  rocksdb::Status status = rocksdb::DeleteFilesInRanges(
      db_.get(), handle, &range, 1, /*include_end=*/false);
  if (!status.ok()) return ToStatus(status, what);
  {
    const auto iterator = NewIterator(family, &end_slice);
    iterator->Seek(begin_slice);
    if (!iterator->Valid() && iterator->status().ok()) {
      PurgeObsoleteFiles();
      return absl::OkStatus();
    }
  }

  // What shares a file with other keys is marked, then the file is rewritten.
  RocksDbBulkWriter marks(this);
  QSTORE_RETURN_IF_ERROR(marks.DeleteRange(family, begin, end));
  QSTORE_RETURN_IF_ERROR(Annotate(marks.Ingest(), what));
  QSTORE_RETURN_IF_ERROR(
      Annotate(CheckTablesOverlapping(family, begin, end), what));
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  status = db_->CompactRange(options, handle, &begin_slice, &end_slice);
  PurgeObsoleteFiles();
  return ToStatus(status, what);
}

// A reader in mid-call keeps the files of the state it began with, and the
// compaction that replaces them does not look again.
void RocksDbEngine::PurgeObsoleteFiles() {
  if (db_->DisableFileDeletions().ok()) {
    db_->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
  }
}

EngineCounters RocksDbEngine::Counters() const {
  EngineCounters counters;
  for (const Family family : kFamilies) {
    const size_t i = IndexOf(family);
    counters.keys_read[i] = keys_read_[i].load(std::memory_order_relaxed);
    std::string histograms;
    if (db_->GetProperty(Handle(family),
                         rocksdb::DB::Properties::kCFFileHistogram,
                         &histograms)) {
      counters.native_file_reads[i] = SumOfHistogramCounts(histograms);
    }
  }
  counters.native_keys_read =
      db_->GetDBOptions().statistics->getTickerCount(rocksdb::NUMBER_KEYS_READ);
  return counters;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(
    const std::filesystem::path& directory, const RocksDbOptions& options) {
  return RocksDbEngine::Open(directory, options);
}

}  // namespace qstore::storage
