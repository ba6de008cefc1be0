#include "storage/objects/object_reader.h"

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

absl::StatusOr<PinnedValue> GetChecked(const StoreState& state,
                                       uint64_t object_id, uint32_t chunk_index,
                                       const model::ValueAddress& expected) {
  const auto family = FamilyOf(expected.layer);
  const std::string key =
      DataKey{object_id, chunk_index, expected.subgroup, expected.value_index}
          .Encode();
  absl::StatusOr<PinnedValue> value = state.blobs().Get(family, key);
  if (!value.ok()) return AbsenceIsDamage(value.status());
  if (value->bytes().size() != expected.size_bytes) {
    return absl::DataLossError(absl::StrCat(
        DescribeKey(family, key), ": stored value has ", value->bytes().size(),
        " bytes, its record says ", expected.size_bytes));
  }
  if (Xxh3(value->bytes()) != expected.xxh3) {
    return absl::DataLossError(absl::StrCat(
        DescribeKey(family, key), ": the checksum of the stored value does ",
        "not match its record"));
  }
  return value;
}

// The first file and tensor that the object is part of.
void NameSegment(const StoredRevision& revision, uint64_t object_id,
                 ObjectUse* use) {
  for (const StoredFile& file : revision.files) {
    for (const StoredSegment& segment : file.segments) {
      if (segment.object_id != object_id) continue;
      use->file = file.path;
      use->tensor = segment.tensor_name;
      return;
    }
  }
}

}  // namespace

absl::StatusOr<model::Object> ReadObject(const StoreState& state,
                                         uint64_t object_id) {
  absl::StatusOr<model::Object> object = state.records.Object(object_id);
  if (!object.ok()) return AbsenceIsDamage(object.status());
  return object;
}

absl::StatusOr<PinnedValue> ReadValue(StoreState* state, uint64_t object_id,
                                      uint32_t chunk_index,
                                      const model::ValueAddress& value) {
  absl::StatusOr<PinnedValue> read =
      GetChecked(*state, object_id, chunk_index, value);
  if (absl::IsDataLoss(read.status())) {
    const absl::MutexLock lock(&state->mutex);
    state->objects.MarkDamaged(object_id);
  }
  return read;
}

ObjectReaderImpl::ObjectReaderImpl(StoreState* state, uint64_t object_id)
    : state_(*state), pins_(state, {object_id}), object_id_(object_id) {}

absl::StatusOr<model::Object> ObjectReaderImpl::GetObject() {
  return ReadObject(state_, object_id_);
}

absl::StatusOr<PinnedValue> ObjectReaderImpl::GetValue(
    uint32_t chunk_index, const model::ValueAddress& value) {
  return ReadValue(&state_, object_id_, chunk_index, value);
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
    const absl::StatusOr<StoredRevision> revision =
        records.Revision(model, revision_id);
    if (revision.ok()) NameSegment(*revision, object_id, &use);
    uses.push_back(std::move(use));
  }
  return uses;
}

}  // namespace qstore::storage
