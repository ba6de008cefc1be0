#include "storage/rocksdb/record_store.h"

#include "base/status.h"
#include "storage/rocksdb/status.h"
#include "storage/rocksdb/table_writer.h"

namespace qstore::storage {

absl::StatusOr<PinnedValue> RocksDbRecordStore::Get(std::string_view key) {
  return database_->Get(Column::Records(), key);
}

absl::Status RocksDbRecordStore::Scan(std::string_view begin,
                                      std::string_view end,
                                      const Visitor& visit) {
  const rocksdb::Slice upper_bound = ToSlice(end);
  const auto iterator = database_->NewIterator(Column::Records(), &upper_bound);
  for (iterator->Seek(ToSlice(begin)); iterator->Valid(); iterator->Next()) {
    if (!visit(ToView(iterator->key()), AsBytes(ToView(iterator->value())))) {
      return absl::OkStatus();
    }
  }
  return ToStatus(iterator->status(), "scanning " + Column::Records().name());
}

// Records are ingested like bulk data rather than put through the write-ahead
// log: RocksDB 7.8 cannot write to its log again after that met a full disk
// (docs/decisions/0001-rocksdb-sst-ingestion.md).
absl::Status RocksDbRecordStore::Commit(const WriteBatch& batch) {
  TableWriter table(database_);
  for (const WriteBatch::Operation* operation : LastOperations(batch)) {
    const auto& [kind, key, value] = *operation;
    QSTORE_RETURN_IF_ERROR(
        kind == WriteBatch::Operation::Kind::kPut
            ? table.Put(Column::Records(), key, AsBytes(value))
            : table.Delete(Column::Records(), key));
  }
  return table.Ingest();
}

}  // namespace qstore::storage
