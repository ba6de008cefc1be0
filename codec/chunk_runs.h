// A chunk as a sequence of runs: consecutive weights, in row-major order, that
// share a scale.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "codec/chunk.h"

namespace qstore::codec {

// Whether `shape` can be a chunk: at least one weight, at most kChunkWeights,
// known format and strategy, a group size exactly under kGroup.
// INVALID_ARGUMENT.
absl::Status CheckShape(const ChunkShape& shape);

// Calls function(scale_index, first_weight, weight_count) for every run and
// stops at the first error. Every scale has exactly one run.
template <typename Function>
absl::Status ForEachRun(const ChunkShape& shape, Function&& function) {
  const uint64_t total = shape.weight_count();
  uint64_t row_weights = shape.columns;
  uint64_t run_weights = shape.columns;
  if (shape.strategy == ScaleStrategy::kTensor) {
    row_weights = run_weights = total;
  } else if (shape.strategy == ScaleStrategy::kGroup) {
    run_weights = shape.group_size;
  }
  size_t scale = 0;
  for (uint64_t row = 0; row < total; row += row_weights) {
    for (uint64_t first = 0; first < row_weights; first += run_weights) {
      absl::Status status = function(
          scale++, row + first, std::min(run_weights, row_weights - first));
      if (!status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

// Calls function(scale_index, first_weight, first_column, count) for every part
// of a row whose weights share a scale.
template <typename Function>
void ForEachRowPart(const ChunkShape& shape, Function&& function) {
  const uint32_t part_columns = shape.strategy == ScaleStrategy::kGroup
                                    ? shape.group_size
                                    : shape.columns;
  size_t scale = 0;
  for (uint32_t row = 0; row < shape.rows; ++row) {
    const uint64_t first = uint64_t{row} * shape.columns;
    for (uint64_t column = 0; column < shape.columns; column += part_columns) {
      const uint64_t count =
          std::min<uint64_t>(part_columns, shape.columns - column);
      function(scale, first + column, static_cast<uint32_t>(column),
               static_cast<uint32_t>(count));
      scale += shape.strategy == ScaleStrategy::kTensor ? 0 : 1;
    }
  }
}

}  // namespace qstore::codec
