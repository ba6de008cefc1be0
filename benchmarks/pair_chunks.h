// A model as pairs: chunks of weights, each with its codes and scales.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "benchmarks/model_tensors.h"
#include "codec/chunk.h"

namespace qstore::codec {

struct PairChunk {
  size_t tensor = 0;  // counted from 0
  ChunkShape shape;
  ByteView weights;  // of the tensor, which must live on
  std::vector<int8_t> codes;
  std::vector<float> scales;
  ByteVector int8_file;  // the codes, then the scales
  // Brought by the user: EncodePair has to be called.
  bool given = false;
};

struct PairChunks {
  std::vector<PairChunk> chunks;
  uint64_t weight_count = 0;
  uint64_t weight_bytes = 0;

  // What sizes are given in percent of: the original, and a byte a code.
  uint64_t two_copies_bytes() const { return weight_bytes + weight_count; }
};

// As a store cuts tensors, in chunks of at most `max_rows` rows.
absl::StatusOr<PairChunks> CutIntoChunks(std::span<const ModelTensor> tensors,
                                         uint64_t max_rows = ~uint64_t{0});

// The tensors without what the user brings.
std::vector<ModelTensor> WithoutCodes(std::span<const ModelTensor> tensors);

// All tensors of the width that most weights have, below each other, as one
// tensor without codes.
std::vector<ModelTensor> JoinTensors(std::span<const ModelTensor> tensors);

}  // namespace qstore::codec
