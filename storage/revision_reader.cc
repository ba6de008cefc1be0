#include "storage/revision_reader.h"

#include <limits>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "storage/keys.h"

namespace qstore::storage {
namespace {

// What a revision names must be there: absence is damage.
absl::Status AbsenceIsDamage(const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  return absl::DataLossError(absl::StrCat("missing: ", status.message()));
}

}  // namespace

RevisionReaderImpl::RevisionReaderImpl(StoreState* state, v1::Revision revision)
    : state_(*state),
      revision_(std::move(revision)),
      object_ids_(ObjectIdsOf(revision_)) {
  for (const uint64_t id : object_ids_) state_.objects.Pin(id);
}

RevisionReaderImpl::~RevisionReaderImpl() {
  {
    const std::lock_guard lock(state_.mutex);
    for (const uint64_t id : object_ids_) state_.objects.Unpin(id);
  }
  // Of use only if the revision was deleted meanwhile. Nobody is left to tell
  // of a failure; the next collection tries again.
  CollectGarbage(&state_).IgnoreError();
}

absl::Status RevisionReaderImpl::CheckId(uint64_t object_id) const {
  if (object_ids_.contains(object_id)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("object ", object_id, " is not part of the revision"));
}

absl::StatusOr<v1::Object> RevisionReaderImpl::GetObject(uint64_t object_id) {
  QSTORE_FAILPOINT("read.object");
  QSTORE_RETURN_IF_ERROR(CheckId(object_id));
  absl::StatusOr<v1::Object> object = state_.records.Object(object_id);
  if (!object.ok()) return AbsenceIsDamage(object.status());
  return object;
}

absl::StatusOr<PinnedValue> RevisionReaderImpl::GetBlob(Family family,
                                                        uint64_t object_id,
                                                        uint32_t chunk_index,
                                                        const v1::Blob& blob) {
  QSTORE_FAILPOINT("read.blob");
  QSTORE_RETURN_IF_ERROR(CheckId(object_id));
  if (blob.subgroup() > std::numeric_limits<uint8_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("subgroup ", blob.subgroup(), " is over 255"));
  }
  const std::string key =
      DataKey{object_id, chunk_index, static_cast<uint8_t>(blob.subgroup())}
          .Encode();
  absl::StatusOr<PinnedValue> value = state_.engine->Get(family, key);
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

}  // namespace qstore::storage
