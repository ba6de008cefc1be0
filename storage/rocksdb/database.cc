#include "storage/rocksdb/database.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/directories.h"
#include "storage/rocksdb/checking_file_system.h"
#include "storage/rocksdb/manifest_restore.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/status.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;
using rocksdb::Status;

// How often RocksDB is opened anew while the disk refuses: so often, or half of
// the time. A write waits for the next time if it is near.
constexpr absl::Duration kShortestPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestWait = absl::Seconds(2);

constexpr char kStopped[] =
    "the store takes no writes until its disk does, and finds out by itself "
    "when that is; see to the disk";

// The cache comes first: it must outlive the slice that releases its block into
// it, which also makes a pin safe that outlives the database.
struct Pin {
  std::shared_ptr<rocksdb::Cache> block_cache;
  rocksdb::PinnableSlice value;
};

}  // namespace

DatabaseIterator::DatabaseIterator(std::shared_ptr<Generation> generation,
                                   Column column,
                                   const rocksdb::Slice* upper_bound)
    : generation_(std::move(generation)) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.iterate_upper_bound = upper_bound;
  iterator_.reset(
      generation_->db().NewIterator(options, generation_->Handle(column)));
}

Database::Database(const fs::path& directory, const RocksDbOptions& options)
    : shared_(std::make_shared<Generation::Shared>()),
      table_env_(rocksdb::NewCompositeEnv(
          NewCheckingFileSystem(rocksdb::FileSystem::Default()))),
      last_opened_(absl::InfinitePast()),
      report_(options.report_writing) {
  shared_->directory = directory;
  shared_->options = DatabaseOptions(options);
  // Few shards: a shard smaller than a value could not keep any.
  shared_->block_cache = rocksdb::NewLRUCache(options.block_cache_bytes,
                                              /*num_shard_bits=*/2);
  shared_->held = std::make_shared<HeldTables>();
  shared_->report_failure = [this](const absl::Status& status) {
    Report(status);
  };
}

absl::StatusOr<std::shared_ptr<Database>> Database::Open(
    const fs::path& directory, const RocksDbOptions& options) {
  std::shared_ptr<Database> database(new Database(directory, options));
  QSTORE_ASSIGN_OR_RETURN(database->lock_, DirectoryLock::Take(directory));
  DurableManifest ignored;
  QSTORE_ASSIGN_OR_RETURN(std::shared_ptr<Generation> generation,
                          Generation::Open(database->shared_, &ignored));
  database->shared_->options.create_if_missing = false;
  database->shared_->options.create_missing_column_families = false;
  {
    const absl::MutexLock lock(&database->mutex_);
    database->generation_ = std::move(generation);
  }
  QSTORE_FAILPOINT("engine.opened");
  QSTORE_RETURN_IF_ERROR(database->ClearStaging());
  QSTORE_FAILPOINT("engine.cleared");
  return database;
}

// What RocksDB does as it is closed may still be reported.
Database::~Database() {
  std::shared_ptr<Generation> last;
  const absl::MutexLock lock(&mutex_);
  last.swap(generation_);
}

// Only now, with the lock held, does the staging directory have no other owner.
absl::Status Database::ClearStaging() {
  cleared_bytes_ = FileBytesUnder(StagingDirectory());
  return MakeEmptyDirectory(StagingDirectory());
}

std::shared_ptr<Generation> Database::generation() const {
  const absl::MutexLock lock(&mutex_);
  return generation_;
}

rocksdb::Options Database::TableOptions(Column column) const {
  rocksdb::Options options(shared_->options,
                           ColumnOptions(column, shared_->block_cache));
  options.env = table_env_.get();
  return options;
}

absl::StatusOr<PinnedValue> Database::Get(Column column, std::string_view key) {
  auto pin = std::make_shared<Pin>();
  pin->block_cache = shared_->block_cache;
  const std::shared_ptr<Generation> now = generation();
  const Status status =
      now->db().Get({}, now->Handle(column), ToSlice(key), &pin->value);
  if (!status.ok()) return ToStatus(status, column.Describe(key));
  const ByteView bytes = AsBytes(ToView(pin->value));
  return PinnedValue(bytes, std::move(pin));
}

DatabaseIterator Database::NewIterator(Column column,
                                       const rocksdb::Slice* upper_bound) {
  return {generation(), column, upper_bound};
}

fs::path Database::NewStagingPath(Column column) {
  return StagingDirectory() /
         absl::StrCat(next_table_number_++, "-", column.name(), ".sst");
}

absl::Status Database::Ingest(
    const std::vector<std::pair<Column, std::string>>& tables) {
  const Change ingest = [&tables](Generation* now) {
    std::vector<rocksdb::IngestExternalFileArg> arguments;
    arguments.reserve(tables.size());
    for (const auto& [column, path] : tables) {
      rocksdb::IngestExternalFileArg argument;
      argument.column_family = now->Handle(column);
      argument.external_files = {path};
      argument.options.move_files = true;
      argument.options.snapshot_consistency = false;
      argument.options.write_global_seqno = false;
      arguments.push_back(std::move(argument));
    }
    return now->db().IngestExternalFiles(arguments);
  };
  QSTORE_RETURN_IF_ERROR(EnsureWriting());
  if (TryChange(ingest).ok()) return absl::OkStatus();
  QSTORE_RETURN_IF_ERROR(EnsureWriting());
  return ToStatus(TryChange(ingest), "ingesting tables");
}

absl::Status Database::Apply(const Change& change, const std::string& what) {
  QSTORE_RETURN_IF_ERROR(EnsureWriting());
  Status status = TryChange(change);
  if (!status.ok() && HasStopped()) {
    QSTORE_RETURN_IF_ERROR(EnsureWriting());
    status = TryChange(change);
  }
  return ToStatus(status, what);
}

Status Database::TryChange(const Change& change) {
  const absl::ReaderMutexLock changing(&changing_mutex_);
  const std::shared_ptr<Generation> now = generation();
  Status status = change(now.get());
  // That RocksDB takes no changes any more has a severity.
  if (status.severity() >= Status::Severity::kHardError) {
    absl::Status stopped = ToStatus(status, "changing the database");
    {
      const absl::MutexLock lock(&mutex_);
      stopped_ = stopped;
    }
    Report(stopped);
  }
  return status;
}

bool Database::HasStopped() const {
  const absl::MutexLock lock(&mutex_);
  return !stopped_.ok() || !generation_->guard().failure().ok();
}

absl::Status Database::EnsureWriting() {
  if (!HasStopped()) return absl::OkStatus();
  const absl::Time arrived = absl::Now();
  const absl::MutexLock lock(&opening_mutex_);
  if (!HasStopped()) return absl::OkStatus();
  // Somebody has tried while this waited.
  if (last_opened_ > arrived && !last_opening_.ok()) return last_opening_;
  const absl::Duration wait = last_opened_ + pause_ - absl::Now();
  if (wait > kLongestWait && !last_opening_.ok()) return last_opening_;
  absl::SleepFor(wait);
  const absl::Time begin = absl::Now();
  last_opening_ = Annotate(OpenAnew(), kStopped);
  last_opened_ = absl::Now();
  pause_ = std::max(kShortestPause, last_opened_ - begin);
  if (last_opening_.ok()) Report(absl::OkStatus());
  return last_opening_;
}

absl::Status Database::OpenAnew() {
  const std::shared_ptr<Generation> old = generation();
  old->CancelBackgroundWork();
  const absl::MutexLock changing(&changing_mutex_);
  // An earlier attempt may have come so far as to install another.
  if (durable_.name.empty()) durable_ = old->guard().durable();
  old->guard().Retire();
  QSTORE_RETURN_IF_ERROR(RestoreManifest(directory(), durable_));
  QSTORE_ASSIGN_OR_RETURN(std::shared_ptr<Generation> fresh,
                          Generation::Open(shared_, &durable_));
  durable_ = {};
  const absl::MutexLock lock(&mutex_);
  generation_ = std::move(fresh);
  stopped_ = absl::OkStatus();
  return absl::OkStatus();
}

void Database::Report(const absl::Status& status) {
  {
    const absl::MutexLock lock(&mutex_);
    if (status.ok() == reported_writing_) return;
    reported_writing_ = status.ok();
  }
  if (report_ != nullptr) report_(status);
}

}  // namespace qstore::storage
