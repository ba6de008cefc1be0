#include "storage/rocksdb/database.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/directories.h"
#include "storage/rocksdb/checking_file_system.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/status.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;
using rocksdb::Status;

constexpr std::chrono::seconds kLongestWait(1);
// RocksDB tells nobody when it takes writes again but its listeners, which it
// must not have (storage/rocksdb/manifest_guard.h); so it is asked.
constexpr std::chrono::milliseconds kPoll(2);

constexpr char kStopped[] =
    "the store takes no writes until its disk does, and finds out by itself "
    "when that is; see to the disk";
constexpr char kStoppedForGood[] =
    "the store takes no writes until qstored is started again";

// The cache comes first: it must outlive the slice that releases its block into
// it, which also makes a pin safe that outlives the database.
struct Pin {
  std::shared_ptr<rocksdb::Cache> block_cache;
  rocksdb::PinnableSlice value;
};

}  // namespace

Database::Database(fs::path directory, const RocksDbOptions& options)
    : directory_(std::move(directory)),
      guard_(std::make_shared<ManifestGuard>(
          NewCheckingFileSystem(rocksdb::FileSystem::Default()),
          options.report_writing)),
      env_(rocksdb::NewCompositeEnv(guard_)),
      // Few shards: a shard smaller than a value could not keep any.
      block_cache_(rocksdb::NewLRUCache(options.block_cache_bytes,
                                        /*num_shard_bits=*/2)) {}

absl::StatusOr<std::shared_ptr<Database>> Database::Open(
    const fs::path& directory, const RocksDbOptions& options) {
  std::shared_ptr<Database> database(new Database(directory, options));
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.reserve(Column::kBound + 1);
  for (const Column column : Column::All()) {
    descriptors.emplace_back(column.name(),
                             ColumnOptions(column, database->block_cache_));
  }
  // RocksDB wants its default family opened; nothing is stored there.
  descriptors.emplace_back(
      rocksdb::kDefaultColumnFamilyName,
      ColumnOptions(Column::Records(), database->block_cache_));
  rocksdb::DB* db = nullptr;
  const Status status = rocksdb::DB::Open(
      DatabaseOptions(options, database->env_.get()), directory.string(),
      descriptors, &database->handles_, &db);
  if (!status.ok()) return ToOpenStatus(status, directory);
  database->db_.reset(db);
  const std::vector<Column> columns = Column::All();
  for (size_t i = 0; i < columns.size(); ++i) {
    database->handle_of_[columns[i].index()] = database->handles_[i];
  }
  QSTORE_FAILPOINT("engine.opened");
  QSTORE_RETURN_IF_ERROR(database->ClearStaging());
  QSTORE_FAILPOINT("engine.cleared");
  return database;
}

Database::~Database() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle);
  }
  if (db_ == nullptr) return;
  // Here alone is Resume harmless: it says whether RocksDB still tries.
  while (guard_->DetachInDoubt() && db_->Resume().IsBusy()) {
    std::this_thread::sleep_for(kPoll);
  }
  db_->Close().PermitUncheckedError();
}

// Only now, with RocksDB's lock held, does the staging directory have no other
// owner.
absl::Status Database::ClearStaging() {
  cleared_bytes_ = FileBytesUnder(StagingDirectory());
  return MakeEmptyDirectory(StagingDirectory());
}

absl::StatusOr<PinnedValue> Database::Get(Column column, std::string_view key) {
  auto pin = std::make_shared<Pin>();
  pin->block_cache = block_cache_;
  const Status status = db_->Get({}, Handle(column), ToSlice(key), &pin->value);
  if (!status.ok()) return ToStatus(status, column.Describe(key));
  const ByteView bytes = AsBytes(ToView(pin->value));
  return PinnedValue(bytes, std::move(pin));
}

std::unique_ptr<rocksdb::Iterator> Database::NewIterator(
    Column column, const rocksdb::Slice* upper_bound) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.iterate_upper_bound = upper_bound;
  return std::unique_ptr<rocksdb::Iterator>(
      db_->NewIterator(options, Handle(column)));
}

fs::path Database::NewStagingPath(Column column) {
  return StagingDirectory() /
         absl::StrCat(next_table_number_++, "-", column.name(), ".sst");
}

absl::Status Database::Ingest(
    const std::vector<rocksdb::IngestExternalFileArg>& tables) {
  Status status = db_->IngestExternalFiles(tables);
  if (status.ok()) return absl::OkStatus();
  const uint64_t failure_count = guard_->failure_count();
  const auto give_up = std::chrono::steady_clock::now() + kLongestWait;
  for (;;) {
    status = db_->IngestExternalFiles(tables);
    // What stopped RocksDB before it looked at the tables has a severity.
    if (status.severity() == Status::Severity::kNoError) {
      return ToStatus(status, "ingesting tables");
    }
    if (status.severity() > Status::Severity::kHardError ||
        guard_->failure_count() != failure_count ||
        std::chrono::steady_clock::now() > give_up) {
      break;
    }
    std::this_thread::sleep_for(kPoll);
  }
  return ToStatus(status, status.severity() > Status::Severity::kHardError
                              ? kStoppedForGood
                              : kStopped);
}

}  // namespace qstore::storage
