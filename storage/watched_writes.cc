#include "storage/watched_writes.h"

#include <memory>
#include <utility>

#include "base/status.h"
#include "storage/blobs/forwarding_blob_store.h"
#include "storage/records/forwarding_record_store.h"

namespace qstore::storage {
namespace {

absl::Status Reported(absl::Status status, const FailedWrite& report) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
      report(status);
      break;
    default:
      break;
  }
  return status;
}

class WatchedRecordStore final : public ForwardingRecordStore {
 public:
  WatchedRecordStore(std::shared_ptr<RecordStore> target, FailedWrite report)
      : ForwardingRecordStore(std::move(target)), report_(std::move(report)) {}
  absl::Status Commit(const WriteBatch& batch) override {
    return Reported(target().Commit(batch), report_);
  }

 private:
  const FailedWrite report_;
};

class WatchedBulkWriter final : public BulkWriter {
 public:
  WatchedBulkWriter(std::unique_ptr<BulkWriter> target, FailedWrite report)
      : target_(std::move(target)), report_(std::move(report)) {}
  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    return Reported(target_->Put(family, key, value), report_);
  }
  absl::Status Ingest() override {
    return Reported(target_->Ingest(), report_);
  }
  uint64_t size_bytes() const override { return target_->size_bytes(); }

 private:
  const std::unique_ptr<BulkWriter> target_;
  const FailedWrite report_;
};

class WatchedBlobStore final : public ForwardingBlobStore {
 public:
  WatchedBlobStore(std::shared_ptr<BlobStore> target, FailedWrite report)
      : ForwardingBlobStore(std::move(target)), report_(std::move(report)) {}
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override {
    QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<BulkWriter> writer,
                            target().NewBulkWriter());
    return std::make_unique<WatchedBulkWriter>(std::move(writer), report_);
  }
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    return Reported(target().DeleteRange(family, begin, end), report_);
  }

 private:
  const FailedWrite report_;
};

}  // namespace

Engine WithWatchedWrites(Engine engine, const FailedWrite& report) {
  engine.records =
      std::make_shared<WatchedRecordStore>(std::move(engine.records), report);
  engine.blobs =
      std::make_shared<WatchedBlobStore>(std::move(engine.blobs), report);
  return engine;
}

}  // namespace qstore::storage
