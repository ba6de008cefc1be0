// A blob store in memory.
#pragma once

#include <array>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/blobs/blob_store.h"
#include "storage/memory/value_map.h"

namespace qstore::storage {

class MemoryBlobStore final : public BlobStore {
 public:
  using Tables = std::array<MemoryValues, kFamilyBound>;

  void Read(std::vector<BlobKey> keys, ReadDone done) override;
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override;
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override;
  absl::Status ListKeys(Family family, std::string_view begin,
                        std::string_view end, const KeyVisitor& visit) override;
  absl::StatusOr<std::vector<KeyRange>> KeyRanges(Family family) override;
  absl::StatusOr<std::string> LastKey(Family family) override;
  uint64_t DiskBytes() const override;
  uint64_t ClearedBytes() const override { return 0; }

  // What a writer has gathered.
  void Add(Tables tables);

 private:
  absl::StatusOr<PinnedValue> Find(const BlobKey& key);

  mutable absl::Mutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::storage
