// Upload over a StoreState.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "storage/model_store.h"
#include "storage/objects/object_writer.h"
#include "storage/objects/small_object_batch.h"
#include "storage/store_state.h"

namespace qstore::storage {

class UploadImpl final : public Upload, private WrittenObjectSink {
 public:
  UploadImpl(StoreState* state, std::string model)
      : state_(*state), model_(std::move(model)), small_objects_(state) {}
  ~UploadImpl() override;

  absl::StatusOr<std::optional<uint64_t>> FindObject(
      const Sha256Digest& content_hash) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> AddObject() override;
  void set_commit_check(CommitCheck check) override {
    commit_check_ = std::move(check);
  }
  absl::Status Checkpoint(const std::string& payload,
                          int64_t expires_unix_seconds) override;
  absl::Status ExtendCheckpoint(int64_t expires_unix_seconds) override;
  bool LeaveCheckpoint() override;
  absl::StatusOr<CommitResult> Commit(StoredRevision draft,
                                      const std::string& tag) override;

  // Holds again what the checkpoint does. False, and then nothing is held: an
  // object is gone or was found to be damaged.
  absl::StatusOr<bool> Restore(uint64_t checkpoint_id,
                               const v2::UnfinishedUpload& checkpoint);

 private:
  // WrittenObjectSink:
  uint64_t TakeLargeObjectId() override;
  absl::StatusOr<uint64_t> Take(WrittenObject written) override;
  void WriterDestroyed() override { writing_ = false; }

  absl::StatusOr<uint64_t> TakeSmall(WrittenObject written);
  absl::StatusOr<uint64_t> TakeLarge(WrittenObject written);
  absl::Status IngestSmallObjects();
  absl::StatusOr<CommitResult> CommitRecords(StoredRevision draft,
                                             const std::string& tag);
  absl::Status CheckNoneDamaged(const std::set<uint64_t>& object_ids) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::Status PutCheckpoint(const v2::UnfinishedUpload& checkpoint);
  void DropCheckpoint();
  // Takes over one pin of the object.
  void Hold(const ObjectSummary& object);
  void ReleaseAll();

  StoreState& state_;
  const std::string model_;
  CommitCheck commit_check_;
  SmallObjectBatch small_objects_;
  // Ids of large objects come from a block of this upload, so that their data
  // lies side by side and goes at once when the upload is abandoned.
  IdRange large_object_ids_;
  // What this upload pins, each object once.
  std::unordered_map<uint64_t, ObjectSummary> held_;
  // Ids that were given out for small objects which another upload stored
  // first, to the ids of those.
  std::unordered_map<uint64_t, uint64_t> replaced_;
  uint64_t checkpoint_id_ = 0;  // 0: there is none
  bool left_ = false;
  bool writing_ = false;
  // Why the upload cannot be committed any more.
  absl::Status failure_;
};

}  // namespace qstore::storage
