#include "codec/chunk_runs.h"

#include "absl/strings/str_cat.h"

namespace qstore::codec {

absl::Status CheckShape(const ChunkShape& shape) {
  if (shape.format != FloatFormat::kF32 && shape.format != FloatFormat::kF16 &&
      shape.format != FloatFormat::kBF16) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown float format ", static_cast<int>(shape.format)));
  }
  if (shape.rows == 0 || shape.columns == 0 || shape.columns > kMaxColumns ||
      shape.weight_count() > kChunkWeights) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a chunk of ", shape.rows, " x ", shape.columns,
        " weights cannot be coded: it must have 1 to ", kChunkWeights,
        " weights and at most ", kMaxColumns, " columns"));
  }
  switch (shape.strategy) {
    case ScaleStrategy::kTensor:
    case ScaleStrategy::kChannel:
      if (shape.group_size != 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("group size ", shape.group_size,
                         " is given for a strategy without groups"));
      }
      return absl::OkStatus();
    case ScaleStrategy::kGroup:
      if (shape.group_size == 0) {
        return absl::InvalidArgumentError("the group size is 0");
      }
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown scale strategy ", static_cast<int>(shape.strategy)));
}

}  // namespace qstore::codec
