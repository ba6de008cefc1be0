#include "storage/upload.h"

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "model/names.h"
#include "storage/objects/object_ingest.h"
#include "storage/records/records.h"
#include "storage/revisions/revision_draft.h"

namespace qstore::storage {
namespace {

constexpr uint64_t kLargeIdBlock = 256;

}  // namespace

UploadImpl::~UploadImpl() {
  // Whoever unpinned now would let the collector have what is left.
  if (left_) return;
  DropCheckpoint();
  ReleaseAll();
}

void UploadImpl::ReleaseAll() {
  const absl::MutexLock lock(&state_.mutex);
  for (const auto& [id, object] : std::exchange(held_, {})) {
    state_.objects.Unpin(id);
  }
}

void UploadImpl::Hold(const ObjectSummary& object) {
  const bool inserted = held_.emplace(object.object_id, object).second;
  if (!inserted) {
    const absl::MutexLock lock(&state_.mutex);
    state_.objects.Unpin(object.object_id);
  }
}

absl::StatusOr<std::optional<uint64_t>> UploadImpl::FindObject(
    const Sha256Digest& content_hash) {
  QSTORE_RETURN_IF_ERROR(failure_);
  if (const auto small = small_objects_.Find(content_hash); small.has_value()) {
    return small;
  }
  std::optional<ObjectSummary> found;
  {
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(found, state_.objects.FindAndPin(content_hash));
  }
  if (!found.has_value()) return std::nullopt;
  Hold(*found);
  return found->object_id;
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> UploadImpl::AddObject() {
  QSTORE_FAILPOINT("object.begin");
  QSTORE_RETURN_IF_ERROR(failure_);
  if (std::exchange(writing_, true)) {
    return absl::FailedPreconditionError(
        "the upload's previous object writer still exists");
  }
  WrittenObjectSink* sink = this;
  return std::make_unique<ObjectWriterImpl>(&state_.blobs(), sink);
}

uint64_t UploadImpl::TakeLargeObjectId() {
  if (large_object_ids_.first == large_object_ids_.end) {
    const absl::MutexLock lock(&state_.mutex);
    large_object_ids_.first = state_.objects.TakeIds(kLargeIdBlock);
    large_object_ids_.end = large_object_ids_.first + kLargeIdBlock;
  }
  return large_object_ids_.first++;
}

absl::StatusOr<uint64_t> UploadImpl::Take(WrittenObject written) {
  QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> equal,
                          FindObject(written.object.content_hash));
  if (equal.has_value()) return *equal;
  absl::StatusOr<uint64_t> id = written.writer == nullptr
                                    ? TakeSmall(std::move(written))
                                    : TakeLarge(std::move(written));
  failure_.Update(id.status());
  return id;
}

absl::StatusOr<uint64_t> UploadImpl::TakeSmall(WrittenObject written) {
  QSTORE_ASSIGN_OR_RETURN(
      const uint64_t id,
      small_objects_.Add(std::move(written.object), written.buffered));
  if (small_objects_.IsFull()) QSTORE_RETURN_IF_ERROR(IngestSmallObjects());
  const auto replaced = replaced_.find(id);
  return replaced == replaced_.end() ? id : replaced->second;
}

absl::StatusOr<uint64_t> UploadImpl::TakeLarge(WrittenObject written) {
  QSTORE_ASSIGN_OR_RETURN(
      const std::vector<ObjectSummary> ingested,
      IngestObjects(&state_, std::move(written.writer), {written.object}));
  Hold(ingested.front());
  return ingested.front().object_id;
}

absl::Status UploadImpl::IngestSmallObjects() {
  QSTORE_ASSIGN_OR_RETURN(
      const std::vector<SmallObjectBatch::Ingested> ingested,
      small_objects_.Ingest());
  for (const auto& [given_id, object] : ingested) {
    Hold(object);
    if (given_id != object.object_id) {
      replaced_.emplace(given_id, object.object_id);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Upload::CommitResult> UploadImpl::Commit(
    StoredRevision draft, const std::string& tag) {
  QSTORE_RETURN_IF_ERROR(failure_);
  failure_ = absl::FailedPreconditionError(
      "the upload was committed or failed to be; begin another");
  if (writing_) {
    return absl::FailedPreconditionError("an object is still being added");
  }
  if (draft.model != model_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the revision is of model ", draft.model, ", the upload of ", model_));
  }
  if (!tag.empty()) QSTORE_RETURN_IF_ERROR(ValidateTag(tag));
  QSTORE_FAILPOINT("commit.begin");
  QSTORE_RETURN_IF_ERROR(IngestSmallObjects());
  absl::StatusOr<CommitResult> result = CommitRecords(std::move(draft), tag);
  if (result.ok()) {
    QSTORE_FAILPOINT("commit.collect");
    // Objects that were added and not used may go now, not when the caller is
    // done with this upload.
    ReleaseAll();
  }
  return result;
}

absl::Status UploadImpl::CheckNoneDamaged(
    const std::set<uint64_t>& object_ids) const {
  for (const uint64_t id : object_ids) {
    if (!state_.objects.IsDamaged(id)) continue;
    return absl::DataLossError(absl::StrCat(
        "object ", id, ", which was stored before and is part of this upload, ",
        "was found to be damaged meanwhile: upload again, and it is stored "
        "anew"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Upload::CommitResult> UploadImpl::CommitRecords(
    StoredRevision draft, const std::string& tag) {
  const HeldObjects held = [this](uint64_t id) -> const ObjectSummary* {
    const auto replaced = replaced_.find(id);
    const auto found =
        held_.find(replaced == replaced_.end() ? id : replaced->second);
    return found == held_.end() ? nullptr : &found->second;
  };
  QSTORE_ASSIGN_OR_RETURN(
      CompleteRevision complete,
      CompleteDraft(std::move(draft), held,
                    static_cast<int64_t>(std::time(nullptr))));
  const std::string& revision_id = complete.revision.revision;

  const absl::MutexLock lock(&state_.mutex);
  CommitResult result;
  RecordBatch batch;
  std::set<uint64_t> replaced_ids;
  absl::StatusOr<StoredRevision> stored =
      state_.records.Revision(model_, revision_id);
  if (stored.ok() && ObjectIdsOf(*stored) == complete.object_ids) {
    result.revision = *std::move(stored);
  } else if (stored.ok() || absl::IsNotFound(stored.status()) ||
             absl::IsDataLoss(stored.status())) {
    QSTORE_RETURN_IF_ERROR(CheckNoneDamaged(complete.object_ids));
    result.replaced = stored.ok();
    if (commit_check_ && !result.replaced) {
      QSTORE_RETURN_IF_ERROR(commit_check_(complete.revision));
    }
    result.created = true;
    if (!absl::IsNotFound(stored.status())) {
      // Its record or some of its objects are damaged; this upload has brought
      // them anew.
      QSTORE_ASSIGN_OR_RETURN(
          replaced_ids, state_.records.ReferencedIdsOf(model_, revision_id));
      batch.DeleteRevision(model_, revision_id, replaced_ids);
    }
    batch.PutRevision(complete.revision, state_.objects.TakeIds(1),
                      complete.object_ids);
    batch.PutNextId(state_.objects.next_id());
    result.revision = complete.revision;
  } else {
    return stored.status();
  }
  if (!tag.empty()) {
    // A record that cannot be read is told of by whoever needs it.
    const absl::StatusOr<std::string> named = state_.records.Tag(model_, tag);
    if (named.ok() && *named != revision_id) result.moved_from = *named;
    batch.PutTag(model_, tag, revision_id);
  }
  if (checkpoint_id_ != 0) batch.DeleteUnfinished(checkpoint_id_);
  if (!batch.empty()) {
    QSTORE_FAILPOINT("commit.records");
    QSTORE_RETURN_IF_ERROR(
        Annotate(state_.records.Commit(batch),
                 absl::StrCat("committing ", model_, "@", revision_id)));
    QSTORE_FAILPOINT("commit.written");
    checkpoint_id_ = 0;
  }
  if (result.created) {
    for (const uint64_t id : complete.object_ids) {
      state_.objects.MarkReferenced(id);
    }
  }
  for (const uint64_t id : replaced_ids) {
    // The collection looks whether anybody else refers to it.
    if (!complete.object_ids.contains(id)) state_.objects.MarkUnreferenced(id);
  }
  return result;
}

}  // namespace qstore::storage
