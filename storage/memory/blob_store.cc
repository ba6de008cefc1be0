#include "storage/memory/blob_store.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace qstore::storage {
namespace {

class MemoryBulkWriter final : public BulkWriter {
 public:
  explicit MemoryBulkWriter(MemoryBlobStore* store) : store_(*store) {}

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    MemoryValues& table = tables_[FamilyIndex(family)];
    if (spent_) return absl::FailedPreconditionError("writer is spent");
    if (!table.empty() && table.rbegin()->first >= key) {
      return absl::InvalidArgumentError(
          absl::StrCat(DescribeKey(family, key), " does not ascend"));
    }
    table.emplace_hint(table.end(), std::string(key), CopyToMemory(value));
    size_bytes_ += key.size() + value.size();
    return absl::OkStatus();
  }

  absl::Status Ingest() override {
    if (std::exchange(spent_, true)) {
      return absl::FailedPreconditionError("writer is spent");
    }
    store_.Add(std::move(tables_));
    return absl::OkStatus();
  }

  uint64_t size_bytes() const override { return size_bytes_; }

 private:
  MemoryBlobStore& store_;
  MemoryBlobStore::Tables tables_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

}  // namespace

absl::StatusOr<PinnedValue> MemoryBlobStore::Find(const BlobKey& key) {
  const absl::ReaderMutexLock lock(&mutex_);
  const MemoryValues& table = tables_[FamilyIndex(key.family)];
  const auto found = table.find(key.key);
  if (found == table.end()) {
    return absl::NotFoundError(
        absl::StrCat(DescribeKey(key.family, key.key), ": no such key"));
  }
  return PinnedValue(*found->second, found->second);
}

void MemoryBlobStore::Read(std::vector<BlobKey> keys, ReadDone done) {
  for (size_t i = 0; i < keys.size(); ++i) done(i, Find(keys[i]));
}

absl::StatusOr<std::unique_ptr<BulkWriter>> MemoryBlobStore::NewBulkWriter() {
  return std::make_unique<MemoryBulkWriter>(this);
}

absl::Status MemoryBlobStore::DeleteRange(Family family, std::string_view begin,
                                          std::string_view end) {
  const absl::MutexLock lock(&mutex_);
  MemoryValues& table = tables_[FamilyIndex(family)];
  if (begin < end) {
    table.erase(table.lower_bound(begin), table.lower_bound(end));
  }
  return absl::OkStatus();
}

absl::Status MemoryBlobStore::ListKeys(Family family, std::string_view begin,
                                       std::string_view end,
                                       const KeyVisitor& visit) {
  // The visitor may call the store, so it must not run under the lock.
  std::vector<std::string> found;
  {
    const absl::ReaderMutexLock lock(&mutex_);
    const MemoryValues& table = tables_[FamilyIndex(family)];
    for (auto it = table.lower_bound(begin);
         it != table.end() && it->first < end; ++it) {
      found.push_back(it->first);
    }
  }
  for (const std::string& key : found) {
    if (!visit(key)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<KeyRange>> MemoryBlobStore::KeyRanges(
    Family family) {
  const absl::ReaderMutexLock lock(&mutex_);
  const MemoryValues& table = tables_[FamilyIndex(family)];
  std::vector<KeyRange> ranges;
  if (!table.empty()) {
    ranges.push_back({table.begin()->first, table.rbegin()->first});
  }
  return ranges;
}

absl::StatusOr<std::string> MemoryBlobStore::LastKey(Family family) {
  const absl::ReaderMutexLock lock(&mutex_);
  const MemoryValues& table = tables_[FamilyIndex(family)];
  if (table.empty()) {
    return absl::NotFoundError(
        absl::StrCat(std::string(FamilyName(family)), " is empty"));
  }
  return table.rbegin()->first;
}

uint64_t MemoryBlobStore::DiskBytes() const {
  const absl::ReaderMutexLock lock(&mutex_);
  uint64_t size_bytes = 0;
  for (const MemoryValues& table : tables_) {
    for (const auto& [key, value] : table) {
      size_bytes += key.size() + value->size();
    }
  }
  return size_bytes;
}

void MemoryBlobStore::Add(Tables tables) {
  const absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < tables.size(); ++i) {
    tables[i].merge(tables_[i]);
    tables_[i].swap(tables[i]);
  }
}

}  // namespace qstore::storage
