#include "storage/rocksdb/generation.h"

#include <rocksdb/convenience.h>

#include <utility>

#include "storage/rocksdb/checking_file_system.h"
#include "storage/rocksdb/options.h"
#include "storage/rocksdb/status.h"

namespace qstore::storage {

Generation::Generation(std::shared_ptr<const Shared> shared)
    : shared_(std::move(shared)),
      guard_(std::make_shared<ManifestGuard>(
          NewCheckingFileSystem(rocksdb::FileSystem::Default()), shared_->held,
          shared_->report_failure)),
      env_(rocksdb::NewCompositeEnv(guard_)) {
  shared_->held->Enter();
}

Generation::~Generation() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle);
  }
  if (db_ != nullptr) db_->Close().PermitUncheckedError();
  db_ = nullptr;
  shared_->held->Leave();
}

absl::StatusOr<std::shared_ptr<Generation>> Generation::Open(
    const std::shared_ptr<const Shared>& shared, DurableManifest* durable) {
  std::shared_ptr<Generation> generation(new Generation(shared));
  const rocksdb::Status status = generation->OpenDatabase();
  if (status.ok()) return generation;
  // Whatever this attempt made is the next one's to look after.
  generation->guard().Retire();
  DurableManifest installed = generation->guard().durable();
  if (!installed.name.empty()) *durable = std::move(installed);
  return ToOpenStatus(status, shared->directory);
}

rocksdb::Status Generation::OpenDatabase() {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  const std::vector<Column> columns = Column::All();
  descriptors.reserve(columns.size() + 1);
  for (const Column column : columns) {
    descriptors.emplace_back(column.name(),
                             ColumnOptions(column, shared_->block_cache));
  }
  // RocksDB wants its default family opened; nothing is stored there.
  descriptors.emplace_back(
      rocksdb::kDefaultColumnFamilyName,
      ColumnOptions(Column::Records(), shared_->block_cache));
  rocksdb::DBOptions options = shared_->options;
  options.env = env_.get();
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(
      options, shared_->directory.string(), descriptors, &handles_, &db);
  if (!status.ok()) return status;
  db_.reset(db);
  for (size_t i = 0; i < columns.size(); ++i) {
    handle_of_[columns[i].index()] = handles_[i];
  }
  return status;
}

void Generation::CancelBackgroundWork() {
  db_->DisableManualCompaction();
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true);
}

}  // namespace qstore::storage
