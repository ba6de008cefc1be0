// UploadImpl's checkpoints: pins that outlive the process.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/upload.h"

namespace qstore::storage {

absl::Status UploadImpl::Checkpoint(const std::string& payload,
                                    int64_t expires_unix_seconds) {
  QSTORE_RETURN_IF_ERROR(failure_);
  if (writing_) {
    return absl::FailedPreconditionError("an object is still being added");
  }
  const auto write = [&]() -> absl::Status {
    QSTORE_FAILPOINT("checkpoint.begin");
    QSTORE_RETURN_IF_ERROR(IngestSmallObjects());
    std::vector<uint64_t> ids;
    ids.reserve(held_.size());
    for (const auto& [id, object] : held_) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    v2::UnfinishedUpload checkpoint;
    checkpoint.set_model(model_);
    checkpoint.set_expires_unix_seconds(expires_unix_seconds);
    checkpoint.mutable_object_ids()->Add(ids.begin(), ids.end());
    checkpoint.set_payload(payload);
    return PutCheckpoint(checkpoint);
  };
  failure_ = Annotate(write(), "remembering how far the upload has come");
  return failure_;
}

absl::Status UploadImpl::PutCheckpoint(const v2::UnfinishedUpload& checkpoint) {
  // Like all records of ids: a lesser number of the next must not be written
  // after a greater one.
  const absl::MutexLock lock(&state_.mutex);
  if (checkpoint_id_ == 0) checkpoint_id_ = state_.objects.TakeIds(1);
  RecordBatch batch;
  batch.PutUnfinished(checkpoint_id_, checkpoint);
  // Objects without data, and the checkpoint's own id, leave no other trace.
  batch.PutNextId(state_.objects.next_id());
  QSTORE_FAILPOINT("checkpoint.records");
  QSTORE_RETURN_IF_ERROR(state_.records.Commit(batch));
  QSTORE_FAILPOINT("checkpoint.written");
  return absl::OkStatus();
}

absl::Status UploadImpl::ExtendCheckpoint(int64_t expires_unix_seconds) {
  if (checkpoint_id_ == 0) return absl::OkStatus();
  QSTORE_ASSIGN_OR_RETURN(v2::UnfinishedUpload checkpoint,
                          state_.records.Unfinished(checkpoint_id_));
  checkpoint.set_expires_unix_seconds(expires_unix_seconds);
  return PutCheckpoint(checkpoint);
}

bool UploadImpl::LeaveCheckpoint() {
  left_ = checkpoint_id_ != 0;
  return left_;
}

void UploadImpl::DropCheckpoint() {
  const uint64_t id = std::exchange(checkpoint_id_, 0);
  if (id == 0) return;
  RecordBatch batch;
  batch.DeleteUnfinished(id);
  // Should this fail, its objects go all the same, and Open finds that it is of
  // no use.
  state_.records.Commit(batch).IgnoreError();
}

absl::StatusOr<bool> UploadImpl::Restore(
    uint64_t checkpoint_id, const v2::UnfinishedUpload& checkpoint) {
  for (const uint64_t id : checkpoint.object_ids()) {
    const absl::StatusOr<model::Object> object = state_.records.Object(id);
    const bool known = object.ok();
    std::optional<uint64_t> found;
    if (known) {
      // Not found under its hash: it was replaced, or is damaged.
      QSTORE_ASSIGN_OR_RETURN(found, FindObject(object->content_hash));
    } else if (!absl::IsNotFound(object.status()) &&
               !absl::IsDataLoss(object.status())) {
      return object.status();
    }
    if (found != id) {
      ReleaseAll();
      return false;
    }
  }
  checkpoint_id_ = checkpoint_id;
  return true;
}

}  // namespace qstore::storage
