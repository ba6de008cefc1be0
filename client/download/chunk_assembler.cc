#include "client/download/chunk_assembler.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "client/server_faults.h"

namespace qstore::client {

std::string DescribeChunk(const model::Manifest& manifest,
                          const model::PlannedChunk& chunk) {
  return absl::StrCat(model::DescribeObject(manifest, chunk.object_index),
                      ": chunk ", chunk.chunk_index);
}

absl::StatusOr<std::optional<StoredChunk>> ChunkAssembler::Add(
    const ValueView& value) {
  if (complete()) {
    return ContradictionError(absl::StrCat("the server sent bytes of object ",
                                           value.object_index,
                                           " after all that was planned"));
  }
  if (values_.empty()) OpenChunk();
  QSTORE_RETURN_IF_ERROR(CheckNext(value));
  for (const ByteView piece : value.pieces) {
    std::memcpy(chunk_.bytes.get() + offset_bytes_, piece.data(), piece.size());
    offset_bytes_ += piece.size();
  }
  const model::ValueAddress& address = values_[value_position_];
  if (object().is_tensor()) {
    received_.Add(address.layer, address.size_bytes);
  } else {
    received_.AddOther(address.size_bytes);
  }
  if (++value_position_ < values_.size()) return std::optional<StoredChunk>();
  ++chunk_position_;
  values_.clear();
  return std::optional<StoredChunk>(std::exchange(chunk_, {}));
}

absl::Status ChunkAssembler::CheckComplete() const {
  if (complete()) return absl::OkStatus();
  return DamagedInTransitError(absl::StrCat(
      DescribeChunk(manifest_, plan_.chunks[chunk_position_]),
      " did not come whole: the server ended after ", chunk_position_, " of ",
      plan_.chunks.size(), " chunks; download again"));
}

absl::Status ChunkAssembler::CheckNext(const ValueView& value) const {
  const model::PlannedChunk& planned = plan_.chunks[chunk_position_];
  const model::ValueAddress& address = values_[value_position_];
  if (value.object_index != planned.object_index ||
      value.chunk_index != planned.chunk_index ||
      value.layer != address.layer || value.subgroup != address.subgroup ||
      value.value_index != address.value_index) {
    return ContradictionError(absl::StrCat(
        DescribeChunk(manifest_, planned), ": the server sent object ",
        value.object_index, " chunk ", value.chunk_index, " layer ",
        value.layer, " subgroup ", value.subgroup, " value ", value.value_index,
        ", but object ", planned.object_index, " chunk ", planned.chunk_index,
        " layer ", address.layer, " subgroup ", address.subgroup, " value ",
        address.value_index, " was expected"));
  }
  const uint64_t size_bytes = value.payload_bytes();
  if (size_bytes != address.size_bytes) {
    return ContradictionError(absl::StrCat(
        DescribeChunk(manifest_, planned), ": the server sent ", size_bytes,
        " bytes of layer ", address.layer, " subgroup ", address.subgroup,
        " value ", address.value_index, ", but it has ", address.size_bytes));
  }
  return absl::OkStatus();
}

void ChunkAssembler::OpenChunk() {
  const model::PlannedChunk& planned = plan_.chunks[chunk_position_];
  values_ = model::ValuesOf(chunk(), planned.layer_count);
  value_position_ = 0;
  offset_bytes_ = 0;
  chunk_.planned = planned;
  chunk_.size_bytes = model::StoredBytesOf(chunk(), planned.layer_count);
  chunk_.lease = budget_->Acquire(chunk_.size_bytes + chunk().raw_bytes);
  chunk_.bytes = std::make_unique_for_overwrite<uint8_t[]>(chunk_.size_bytes);
}

}  // namespace qstore::client
