#include "storage/revisions/revision_draft.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "storage/records/keys.h"
#include "storage/records/record_messages.h"
#include "storage/records/records.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

// Completes one segment from its object.
absl::Status FillSegment(const HeldObjects& held, StoredSegment* segment) {
  const ObjectSummary* object = held(segment->object_id);
  if (object == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("object ", segment->object_id,
                     " was neither added nor found by this upload"));
  }
  if (segment->raw_bytes != object->raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the segment has ", segment->raw_bytes,
                     " bytes, its object has ", object->raw_bytes));
  }
  // All zeros: the draft does not say.
  if (segment->content_hash != Sha256Digest{} &&
      segment->content_hash != object->content_hash) {
    return absl::InvalidArgumentError(
        "the segment's content hash is not its object's");
  }
  segment->object_id = object->object_id;
  segment->content_hash = object->content_hash;
  return absl::OkStatus();
}

// Sums over files and distinct objects.
void Account(const HeldObjects& held, CompleteRevision* complete) {
  StoredRevision& revision = complete->revision;
  revision.original_bytes = 0;
  uint64_t low_precision_bytes = 0;
  for (const StoredFile& file : revision.files) {
    revision.original_bytes += file.size_bytes;
    for (const StoredSegment& segment : file.segments) {
      low_precision_bytes += held(segment.object_id)->low_precision_bytes;
    }
  }
  revision.two_copies_bytes = revision.original_bytes + low_precision_bytes;

  model::LayerBytes stored;
  const std::string& model = revision.model;
  const std::string& id = revision.revision;
  stored.AddOther(RevisionKey(model, id).size() + kSealBytes +
                  ListingKey(model, id).size() + sizeof(uint64_t) + kSealBytes);
  for (const uint64_t object_id : complete->object_ids) {
    stored += held(object_id)->stored;
    stored.AddOther(ReferenceKey(object_id, model, id).size() + kSealBytes);
  }
  // The record's size depends on the number that it contributes to.
  uint64_t record_bytes = 0;
  revision.stored = stored;
  while (ToMessage(revision).ByteSizeLong() != record_bytes) {
    record_bytes = ToMessage(revision).ByteSizeLong();
    revision.stored = stored;
    revision.stored.AddOther(record_bytes);
  }
}

}  // namespace

absl::StatusOr<CompleteRevision> CompleteDraft(StoredRevision draft,
                                               const HeldObjects& held,
                                               int64_t now_unix_seconds) {
  CompleteRevision complete;
  for (StoredFile& file : draft.files) {
    for (StoredSegment& segment : file.segments) {
      QSTORE_RETURN_IF_ERROR(
          Annotate(FillSegment(held, &segment),
                   absl::StrCat("file ", Quoted(file.path), ": tensor ",
                                Quoted(segment.tensor_name))));
      complete.object_ids.insert(segment.object_id);
    }
  }
  QSTORE_RETURN_IF_ERROR(ValidateRevision(draft));
  draft.created_unix_seconds = now_unix_seconds;
  draft.revision = RevisionId(draft);
  complete.revision = std::move(draft);
  Account(held, &complete);
  return complete;
}

}  // namespace qstore::storage
