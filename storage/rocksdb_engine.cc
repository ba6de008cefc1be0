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
#include <charconv>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

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

// RocksDB would wait five seconds between attempts to recover from a full disk
// and refuse Resume meanwhile. Commit recovers by itself at once (see there),
// so RocksDB's own attempts are kept to background work.
class RecoveryPolicy final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason,
                            rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    if (reason == rocksdb::BackgroundErrorReason::kWriteCallback ||
        reason == rocksdb::BackgroundErrorReason::kManifestWrite ||
        reason == rocksdb::BackgroundErrorReason::kManifestWriteNoWAL) {
      *auto_recovery = false;
    }
  }
};

rocksdb::DBOptions DatabaseOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions database;
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.max_open_files = options.max_open_files;
  database.max_background_jobs = options.background_threads;
  // Every write is synced and acknowledged: only an incomplete record at the
  // end of a log may be dropped, damage elsewhere must be reported.
  database.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  database.max_total_wal_size = 64u << 20;
  database.max_manifest_file_size = 64u << 20;
  database.skip_stats_update_on_db_open = true;
  database.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  database.keep_log_file_num = 2;
  database.max_log_file_size = 1u << 20;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.statistics = rocksdb::CreateDBStatistics();
  database.statistics->set_stats_level(
      rocksdb::StatsLevel::kExceptHistogramOrTimers);
  database.listeners.push_back(std::make_shared<RecoveryPolicy>());
  return database;
}

rocksdb::BlockBasedTableOptions TableOptions(
    const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache;
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.format_version = 5;
  return table;
}

rocksdb::ColumnFamilyOptions FamilyOptions(
    Family family, const std::shared_ptr<rocksdb::Cache>& block_cache) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table = TableOptions(block_cache);
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 8u << 20;
  if (family != Family::kManifest) {
    // A block is closed as soon as it holds a value: what is read and pinned
    // is what was asked for.
    table.block_size = 1;
    // Values arrive in table files of disjoint ranges and are never rewritten,
    // but where DeleteRange compacts what is left of a file.
    options.disable_auto_compactions = true;
    options.num_levels = 2;
    options.target_file_size_base = 1u << 30;
    options.write_buffer_size = 1u << 20;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// RocksDB prints, for each level, "Count: N Average: ..." of the reads of the
// family's table files.
uint64_t SumOfCounts(std::string_view histograms) {
  constexpr std::string_view kCount = "Count: ";
  uint64_t sum = 0;
  for (size_t at = histograms.find(kCount); at != std::string_view::npos;
       at = histograms.find(kCount, at)) {
    at += kCount.size();
    uint64_t count = 0;
    std::from_chars(histograms.data() + at,
                    histograms.data() + histograms.size(), count);
    sum += count;
  }
  return sum;
}

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
  uint64_t DiskBytes() const override;

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
  absl::Status ClearStaging() const;
  std::vector<TableFile> TableFiles(Family family) const;
  absl::Status CheckTablesOverlapping(Family family, std::string_view begin,
                                      std::string_view end) const;

  // Runs `write`; when a failure has stopped the database (as a full disk
  // does), resumes it and tries once more, so that writing works again as soon
  // as there is space.
  template <typename Write>
  rocksdb::Status WriteResuming(const Write& write) {
    rocksdb::Status status = write();
    if (!status.ok() && db_->Resume().ok()) status = write();
    return status;
  }

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
  RocksDbBulkWriter(RocksDbEngine* engine, uint64_t number)
      : engine_(engine), number_(number) {}

  ~RocksDbBulkWriter() override {
    for (auto& writer : writers_) writer.reset();
    for (const std::string& path : paths_) {
      std::error_code ignored;
      if (!path.empty()) fs::remove(path, ignored);
    }
  }

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    auto& writer = writers_[IndexOf(family)];
    if (writer == nullptr) QSTORE_RETURN_IF_ERROR(OpenTable(family));
    const rocksdb::Status status = writer->Put(ToSlice(key), ToSlice(value));
    if (!status.ok()) {
      // A caller's mistake leaves the table as it was; a failed write does not.
      spent_ = !status.IsInvalidArgument();
      return ToStatus(status, DescribeKey(family, key));
    }
    size_bytes_ += key.size() + value.size();
    return absl::OkStatus();
  }

  absl::Status Ingest() override {
    if (std::exchange(spent_, true)) {
      return absl::FailedPreconditionError("writer is spent");
    }
    std::vector<rocksdb::IngestExternalFileArg> arguments;
    for (const Family family : kFamilies) {
      const size_t i = IndexOf(family);
      if (writers_[i] == nullptr) continue;
      const rocksdb::Status status = writers_[i]->Finish();
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
    return ToStatus(engine_->WriteResuming([&] {
      return engine_->db_->IngestExternalFiles(arguments);
    }),
                    "ingesting table files");
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  static std::string Describe(const char* action, Family family) {
    return absl::StrCat(action, " a table of ", AbslView(FamilyName(family)));
  }

  absl::Status OpenTable(Family family) {
    const size_t i = IndexOf(family);
    rocksdb::ColumnFamilyHandle* handle = engine_->Handle(family);
    rocksdb::Options options = engine_->db_->GetOptions(handle);
    auto writer = std::make_unique<rocksdb::SstFileWriter>(
        rocksdb::EnvOptions(options), options, handle,
        /*invalidate_page_cache=*/false);
    paths_[i] =
        engine_->StagingDirectory() /
        absl::StrCat(number_, "-", AbslView(FamilyName(family)), ".sst");
    const rocksdb::Status status = writer->Open(paths_[i]);
    if (!status.ok()) return ToStatus(status, Describe("opening", family));
    writers_[i] = std::move(writer);
    return absl::OkStatus();
  }

  RocksDbEngine* const engine_;
  const uint64_t number_;
  std::array<std::string, kFamilyCount> paths_;
  std::array<std::unique_ptr<rocksdb::SstFileWriter>, kFamilyCount> writers_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

absl::StatusOr<std::unique_ptr<Engine>> RocksDbEngine::Open(
    const fs::path& directory, const RocksDbOptions& options) {
  std::error_code error;
  fs::create_directory(directory, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make directory ", directory.string(), ": ",
                     error.message(), "; make its parent or name another"));
  }
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
  if (!status.ok()) {
    const std::string text = status.ToString();
    if (text.find("LOCK") != std::string::npos ||
        text.find("lock ") != std::string::npos) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory.string(), " is in use by another process: ",
                       "stop it or name another directory (", text, ")"));
    }
    if (status.IsInvalidArgument()) {
      return absl::FailedPreconditionError(absl::StrCat(
          directory.string(), " holds another kind of database: ", text,
          "; name another directory"));
    }
    return ToStatus(status, absl::StrCat("opening ", directory.string()));
  }
  auto engine =
      std::unique_ptr<RocksDbEngine>(new RocksDbEngine(directory, block_cache));
  engine->db_.reset(db);
  std::copy(handles.begin(), handles.end(), engine->handles_.begin());
  // Only now, with RocksDB's lock held, does the staging directory have no
  // other owner.
  QSTORE_RETURN_IF_ERROR(engine->ClearStaging());
  return engine;
}

absl::Status RocksDbEngine::ClearStaging() const {
  std::error_code error;
  fs::remove_all(StagingDirectory(), error);
  if (!error) fs::create_directory(StagingDirectory(), error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "clearing ", StagingDirectory().string(), ": ", error.message()));
}

absl::Status RocksDbEngine::Commit(const WriteBatch& batch) {
  rocksdb::WriteBatch native;
  for (const WriteBatch::Operation& operation : batch.operations()) {
    rocksdb::ColumnFamilyHandle* handle = Handle(operation.family);
    const rocksdb::Status status =
        operation.kind == WriteBatch::Operation::Kind::kPut
            ? native.Put(handle, operation.key, operation.value)
            : native.Delete(handle, operation.key);
    if (!status.ok()) {
      return ToStatus(status, DescribeKey(operation.family, operation.key));
    }
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(WriteResuming([&] { return db_->Write(options, &native); }),
                  "committing records");
}

absl::StatusOr<std::unique_ptr<BulkWriter>> RocksDbEngine::NewBulkWriter() {
  return std::make_unique<RocksDbBulkWriter>(
      this, next_staging_number_.fetch_add(1, std::memory_order_relaxed));
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
    if (!iterator->Valid() && iterator->status().ok()) return absl::OkStatus();
  }

  // What shares a file with other keys is marked, then the file is rewritten.
  status = WriteResuming(
      [&] { return db_->DeleteRange({}, handle, begin_slice, end_slice); });
  if (!status.ok()) return ToStatus(status, what);
  QSTORE_RETURN_IF_ERROR(
      Annotate(CheckTablesOverlapping(family, begin, end), what));
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  return ToStatus(db_->CompactRange(options, handle, &begin_slice, &end_slice),
                  what);
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
      counters.native_file_reads[i] = SumOfCounts(histograms);
    }
  }
  counters.native_keys_read =
      db_->GetDBOptions().statistics->getTickerCount(rocksdb::NUMBER_KEYS_READ);
  return counters;
}

// Files may come and go while they are counted.
uint64_t RocksDbEngine::DiskBytes() const {
  uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory_, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code entry_error;
    const uint64_t size_bytes =
        it->is_regular_file(entry_error) ? it->file_size(entry_error) : 0;
    if (!entry_error) sum += size_bytes;
  }
  return sum;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(
    const std::filesystem::path& directory, const RocksDbOptions& options) {
  return RocksDbEngine::Open(directory, options);
}

}  // namespace qstore::storage
