#include "storage/unfinished_uploads.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/upload.h"

namespace qstore::storage {
namespace {

absl::Status DeleteCheckpoints(StoreState* state,
                               const std::vector<uint64_t>& ids) {
  if (ids.empty()) return absl::OkStatus();
  RecordBatch batch;
  for (const uint64_t id : ids) batch.DeleteUnfinished(id);
  QSTORE_FAILPOINT("sweep.checkpoints");
  return Annotate(state->records.Commit(batch),
                  "deleting unfinished uploads that have expired");
}

// Without upload: it has expired or cannot be gone on with.
absl::StatusOr<UnfinishedUpload> Hold(StoreState* state, uint64_t id,
                                      int64_t now) {
  UnfinishedUpload unfinished;
  absl::StatusOr<v2::UnfinishedUpload> checkpoint =
      state->records.Unfinished(id);
  if (absl::IsDataLoss(checkpoint.status())) return unfinished;
  QSTORE_RETURN_IF_ERROR(checkpoint.status());
  if (checkpoint->expires_unix_seconds() <= now) return unfinished;
  auto upload = std::make_unique<UploadImpl>(state, checkpoint->model());
  QSTORE_ASSIGN_OR_RETURN(const bool held, upload->Restore(id, *checkpoint));
  if (!held) return unfinished;
  unfinished.upload = std::move(upload);
  unfinished.model = checkpoint->model();
  unfinished.payload = std::move(*checkpoint->mutable_payload());
  unfinished.expires_unix_seconds = checkpoint->expires_unix_seconds();
  return unfinished;
}

}  // namespace

void LeaveAll(const std::vector<UnfinishedUpload>& uploads) {
  for (const UnfinishedUpload& unfinished : uploads) {
    unfinished.upload->LeaveCheckpoint();
  }
}

absl::StatusOr<std::vector<UnfinishedUpload>> HoldUnfinishedUploads(
    StoreState* state, SweepReport* report) {
  QSTORE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids,
                          state->records.UnfinishedIds());
  const auto now = static_cast<int64_t>(std::time(nullptr));
  std::vector<UnfinishedUpload> held;
  std::vector<uint64_t> useless;
  for (const uint64_t id : ids) {
    absl::StatusOr<UnfinishedUpload> unfinished = Hold(state, id, now);
    if (!unfinished.ok()) {
      LeaveAll(held);
      return unfinished.status();
    }
    if (unfinished->upload == nullptr) {
      useless.push_back(id);
    } else {
      held.push_back(*std::move(unfinished));
    }
  }
  report->upload_count = useless.size();
  report->problem.Update(DeleteCheckpoints(state, useless));
  std::stable_sort(held.begin(), held.end(),
                   [](const UnfinishedUpload& a, const UnfinishedUpload& b) {
                     return a.expires_unix_seconds < b.expires_unix_seconds;
                   });
  return held;
}

}  // namespace qstore::storage
