#include "storage/memory/record_store.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace qstore::storage {

absl::StatusOr<PinnedValue> MemoryRecordStore::Get(std::string_view key) {
  const absl::ReaderMutexLock lock(&mutex_);
  const auto found = records_.find(key);
  if (found == records_.end()) {
    return absl::NotFoundError(
        absl::StrCat(DescribeRecord(key), ": no such key"));
  }
  return PinnedValue(*found->second, found->second);
}

absl::Status MemoryRecordStore::Scan(std::string_view begin,
                                     std::string_view end,
                                     const Visitor& visit) {
  // The visitor may call the store, so it must not run under the lock.
  std::vector<std::pair<std::string, MemoryValue>> found;
  {
    const absl::ReaderMutexLock lock(&mutex_);
    for (auto it = records_.lower_bound(begin);
         it != records_.end() && it->first < end; ++it) {
      found.emplace_back(*it);
    }
  }
  for (const auto& [key, value] : found) {
    if (!visit(key, *value)) break;
  }
  return absl::OkStatus();
}

absl::Status MemoryRecordStore::Commit(const WriteBatch& batch) {
  const absl::MutexLock lock(&mutex_);
  for (const WriteBatch::Operation& operation : batch.operations()) {
    if (operation.kind == WriteBatch::Operation::Kind::kPut) {
      records_.insert_or_assign(operation.key,
                                CopyToMemory(AsBytes(operation.value)));
    } else {
      records_.erase(operation.key);
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::storage
