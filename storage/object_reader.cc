#include "storage/object_reader.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "storage/records/keys.h"

namespace qstore::storage {
namespace {

// What a revision names must be there: absence is damage.
absl::Status AbsenceIsDamage(const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  return absl::DataLossError(absl::StrCat("missing: ", status.message()));
}

absl::StatusOr<PinnedValue> GetChecked(const StoreState& state, Family family,
                                       uint64_t object_id, uint32_t chunk_index,
                                       const v1::Blob& blob) {
  if (blob.subgroup() > std::numeric_limits<uint8_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("subgroup ", blob.subgroup(), " is over 255"));
  }
  const std::string key =
      DataKey{object_id, chunk_index, static_cast<uint8_t>(blob.subgroup())}
          .Encode();
  absl::StatusOr<PinnedValue> value = state.blobs().Get(family, key);
  if (!value.ok()) return AbsenceIsDamage(value.status());
  if (value->bytes().size() != blob.size_bytes()) {
    return absl::DataLossError(absl::StrCat(
        DescribeKey(family, key), ": stored value has ", value->bytes().size(),
        " bytes, its record says ", blob.size_bytes()));
  }
  if (Xxh3(value->bytes()) != blob.xxh3()) {
    return absl::DataLossError(absl::StrCat(
        DescribeKey(family, key), ": the checksum of the stored value does ",
        "not match its record"));
  }
  return value;
}

// The first file and tensor that the object is part of.
void NameSegment(const v1::Revision& revision, uint64_t object_id,
                 ObjectUse* use) {
  for (const v1::File& file : revision.files()) {
    for (const v1::Segment& segment : file.segments()) {
      if (segment.object_id() != object_id) continue;
      use->file = file.path();
      use->tensor = segment.tensor_name();
      return;
    }
  }
}

}  // namespace

absl::StatusOr<v1::Object> ReadObject(const StoreState& state,
                                      uint64_t object_id) {
  absl::StatusOr<v1::Object> object = state.records.Object(object_id);
  if (!object.ok()) return AbsenceIsDamage(object.status());
  return object;
}

absl::StatusOr<PinnedValue> ReadBlob(StoreState* state, Family family,
                                     uint64_t object_id, uint32_t chunk_index,
                                     const v1::Blob& blob) {
  absl::StatusOr<PinnedValue> value =
      GetChecked(*state, family, object_id, chunk_index, blob);
  if (absl::IsDataLoss(value.status())) {
    const absl::MutexLock lock(&state->mutex);
    state->objects.MarkDamaged(object_id);
  }
  return value;
}

ObjectReaderImpl::ObjectReaderImpl(StoreState* state, uint64_t object_id)
    : state_(*state), pins_(state, {object_id}), object_id_(object_id) {}

absl::StatusOr<v1::Object> ObjectReaderImpl::GetObject() {
  return ReadObject(state_, object_id_);
}

absl::StatusOr<PinnedValue> ObjectReaderImpl::GetBlob(Family family,
                                                      uint32_t chunk_index,
                                                      const v1::Blob& blob) {
  return ReadBlob(&state_, family, object_id_, chunk_index, blob);
}

absl::StatusOr<std::vector<ObjectUse>> FindUses(const RecordTable& records,
                                                uint64_t object_id,
                                                size_t max_count) {
  QSTORE_ASSIGN_OR_RETURN(const std::vector<ModelAndRest> users,
                          records.UsersOf(object_id, max_count));
  std::vector<ObjectUse> uses;
  for (const auto& [model, revision_id] : users) {
    ObjectUse use{model, revision_id, "", ""};
    // A damaged record has nothing to say about its files.
    const absl::StatusOr<v1::Revision> revision =
        records.Revision(model, revision_id);
    if (revision.ok()) NameSegment(*revision, object_id, &use);
    uses.push_back(std::move(use));
  }
  return uses;
}

}  // namespace qstore::storage
