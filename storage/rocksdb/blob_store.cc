#include "storage/rocksdb/blob_store.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/directories.h"
#include "storage/rocksdb/range_deletion.h"
#include "storage/rocksdb/status.h"
#include "storage/rocksdb/table_writer.h"

namespace qstore::storage {
namespace {

class RocksDbBulkWriter final : public BulkWriter {
 public:
  explicit RocksDbBulkWriter(std::shared_ptr<Database> database)
      : tables_(std::move(database)) {}

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    return tables_.Put(Column::Of(family), key, value);
  }
  absl::Status Ingest() override { return tables_.Ingest(); }
  uint64_t size_bytes() const override { return tables_.size_bytes(); }

 private:
  TableWriter tables_;
};

}  // namespace

void RocksDbBlobStore::Read(std::vector<BlobKey> keys, ReadDone done) {
  for (size_t i = 0; i < keys.size(); ++i) {
    done(i, database_->Get(Column::Of(keys[i].family), keys[i].key));
  }
}

absl::StatusOr<std::unique_ptr<BulkWriter>> RocksDbBlobStore::NewBulkWriter() {
  return std::make_unique<RocksDbBulkWriter>(database_);
}

absl::Status RocksDbBlobStore::DeleteRange(Family family,
                                           std::string_view begin,
                                           std::string_view end) {
  return storage::DeleteRange(database_, Column::Of(family), begin, end);
}

absl::Status RocksDbBlobStore::ListKeys(Family family, std::string_view begin,
                                        std::string_view end,
                                        const KeyVisitor& visit) {
  const rocksdb::Slice upper_bound = ToSlice(end);
  const auto iterator =
      database_->NewIterator(Column::Of(family), &upper_bound);
  for (iterator->Seek(ToSlice(begin)); iterator->Valid(); iterator->Next()) {
    if (!visit(ToView(iterator->key()))) return absl::OkStatus();
  }
  return ToStatus(iterator->status(),
                  absl::StrCat("listing ", Column::Of(family).name()));
}

absl::StatusOr<std::vector<KeyRange>> RocksDbBlobStore::KeyRanges(
    Family family) {
  std::vector<KeyRange> ranges;
  for (TableFile& file : TableFiles(database_.get(), Column::Of(family))) {
    ranges.push_back(std::move(file.range));
  }
  return ranges;
}

absl::StatusOr<std::string> RocksDbBlobStore::LastKey(Family family) {
  // Everything is in table files; an iterator would read the last value.
  std::optional<std::string> last;
  for (TableFile& file : TableFiles(database_.get(), Column::Of(family))) {
    if (!last.has_value() || *last < file.range.last) {
      last = std::move(file.range.last);
    }
  }
  if (!last.has_value()) {
    return absl::NotFoundError(
        absl::StrCat(Column::Of(family).name(), " is empty"));
  }
  return *std::move(last);
}

uint64_t RocksDbBlobStore::DiskBytes() const {
  return FileBytesUnder(database_->directory());
}

uint64_t RocksDbBlobStore::ClearedBytes() const {
  return database_->cleared_bytes();
}

}  // namespace qstore::storage
