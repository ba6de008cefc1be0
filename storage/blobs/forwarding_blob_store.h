// What decorators of a blob store stand on: hands all calls on.
#pragma once

#include <memory>
#include <utility>

#include "storage/blobs/blob_store.h"

namespace qstore::storage {

class ForwardingBlobStore : public BlobStore {
 public:
  explicit ForwardingBlobStore(std::shared_ptr<BlobStore> target)
      : target_(std::move(target)) {}

  void Read(std::vector<BlobKey> keys, ReadDone done) override {
    target_->Read(std::move(keys), std::move(done));
  }
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override {
    return target_->NewBulkWriter();
  }
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    return target_->DeleteRange(family, begin, end);
  }
  absl::Status ListKeys(Family family, std::string_view begin,
                        std::string_view end,
                        const KeyVisitor& visit) override {
    return target_->ListKeys(family, begin, end, visit);
  }
  absl::StatusOr<std::vector<KeyRange>> KeyRanges(Family family) override {
    return target_->KeyRanges(family);
  }
  absl::StatusOr<std::string> LastKey(Family family) override {
    return target_->LastKey(family);
  }
  uint64_t DiskBytes() const override { return target_->DiskBytes(); }
  uint64_t ClearedBytes() const override { return target_->ClearedBytes(); }

 protected:
  BlobStore& target() { return *target_; }

 private:
  const std::shared_ptr<BlobStore> target_;
};

}  // namespace qstore::storage
