#include "storage/rocksdb/engine.h"

#include <rocksdb/utilities/checkpoint.h>

#include <limits>
#include <string>
#include <utility>

#include "base/status.h"
#include "storage/directories.h"
#include "storage/rocksdb/blob_store.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/manifest_check.h"
#include "storage/rocksdb/range_deletion.h"
#include "storage/rocksdb/record_store.h"
#include "storage/rocksdb/status.h"

namespace qstore::storage {
namespace {

absl::Status CopyTo(const std::filesystem::path& directory,
                    Database* database) {
  rocksdb::Checkpoint* made = nullptr;
  const std::shared_ptr<Generation> now = database->generation();
  rocksdb::Status status = rocksdb::Checkpoint::Create(&now->db(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Nothing is in memory alone (see RocksDbRecordStore::Commit), so nothing is
  // to be flushed.
  if (status.ok()) {
    status = checkpoint->CreateCheckpoint(directory.string(),
                                          /*log_size_for_flush=*/
                                          std::numeric_limits<uint64_t>::max());
  }
  return ToStatus(status, "copying the store to " + directory.string());
}

}  // namespace

absl::StatusOr<Engine> OpenRocksDbEngine(const std::filesystem::path& directory,
                                         const RocksDbOptions& options) {
  QSTORE_RETURN_IF_ERROR(MakeDirectory(directory));
  QSTORE_RETURN_IF_ERROR(CheckManifest(directory));
  QSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<Database> database,
                          Database::Open(directory, options));
  FinishDeletions(database.get());
  return Engine{.records = std::make_shared<RocksDbRecordStore>(database),
                .blobs = std::make_shared<RocksDbBlobStore>(database),
                .checkpoint = [database](const std::filesystem::path& copy) {
                  return CopyTo(copy, database.get());
                }};
}

}  // namespace qstore::storage
