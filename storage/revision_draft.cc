#include "storage/revision_draft.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "model/names.h"
#include "storage/records/keys.h"
#include "storage/records/records.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

// Completes one segment from its object.
absl::Status FillSegment(const HeldObjects& held, v1::Segment* segment) {
  const ObjectSummary* object = held(segment->object_id());
  if (object == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("object ", segment->object_id(),
                     " was neither added nor found by this upload"));
  }
  if (segment->raw_bytes() != object->raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the segment has ", segment->raw_bytes(),
                     " bytes, its object has ", object->raw_bytes));
  }
  const std::string hash(AsStringView(object->content_hash));
  if (!segment->content_hash().empty() && segment->content_hash() != hash) {
    return absl::InvalidArgumentError(
        "the segment's content hash is not its object's");
  }
  segment->set_object_id(object->object_id);
  segment->set_content_hash(hash);
  return absl::OkStatus();
}

// Sums over files and distinct objects.
void Account(const HeldObjects& held, CompleteRevision* complete) {
  v1::Revision& revision = complete->revision;
  uint64_t original_bytes = 0;
  uint64_t int8_copy_bytes = 0;
  for (const v1::File& file : revision.files()) {
    original_bytes += file.size_bytes();
    for (const v1::Segment& segment : file.segments()) {
      int8_copy_bytes += held(segment.object_id())->int8_copy_bytes;
    }
  }
  revision.set_original_bytes(original_bytes);
  revision.set_two_copies_bytes(original_bytes + int8_copy_bytes);

  v1::StoredBytes& stored = *revision.mutable_stored();
  stored.Clear();
  const std::string& model = revision.model();
  const std::string& id = revision.revision();
  uint64_t other_bytes = RevisionKey(model, id).size() + kSealBytes +
                         ListingKey(model, id).size() + sizeof(uint64_t) +
                         kSealBytes;
  for (const uint64_t object_id : complete->object_ids) {
    const ObjectSummary& object = *held(object_id);
    stored.set_int8(stored.int8() + object.int8_bytes);
    stored.set_residual(stored.residual() + object.residual_bytes);
    stored.set_plain(stored.plain() + object.plain_bytes);
    other_bytes += object.other_bytes +
                   ReferenceKey(object_id, model, id).size() + kSealBytes;
  }
  // The record's size depends on the number that it contributes to.
  uint64_t record_bytes = 0;
  do {
    record_bytes = revision.ByteSizeLong();
    stored.set_other(other_bytes + record_bytes);
  } while (revision.ByteSizeLong() != record_bytes);
}

}  // namespace

absl::StatusOr<CompleteRevision> CompleteDraft(v1::Revision draft,
                                               const HeldObjects& held,
                                               int64_t now_unix_seconds) {
  CompleteRevision complete;
  for (v1::File& file : *draft.mutable_files()) {
    for (v1::Segment& segment : *file.mutable_segments()) {
      QSTORE_RETURN_IF_ERROR(
          Annotate(FillSegment(held, &segment),
                   absl::StrCat("file ", Quoted(file.path()), ": tensor ",
                                Quoted(segment.tensor_name()))));
      complete.object_ids.insert(segment.object_id());
    }
  }
  QSTORE_RETURN_IF_ERROR(ValidateRevision(draft));
  draft.set_created_unix_seconds(now_unix_seconds);
  draft.set_revision(RevisionId(draft));
  complete.revision = std::move(draft);
  Account(held, &complete);
  return complete;
}

}  // namespace qstore::storage
