// Turns codes, scales and their residual into the original weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/blob.h"
#include "codec/chunk.h"

namespace qstore::codec {

// Reuses its working memory from chunk to chunk: keep one per thread. Not
// thread-safe.
class ResidualDecoder {
 public:
  ResidualDecoder();
  ~ResidualDecoder();
  ResidualDecoder(const ResidualDecoder&) = delete;
  ResidualDecoder& operator=(const ResidualDecoder&) = delete;

  // Takes hostile bytes. `shape` has passed CheckShape, and the sizes fit it;
  // `residual` ascends by subgroup. Codes and scales are those of the layer
  // below; what they hold afterwards is unspecified. DATA_LOSS says which rule
  // of the format is broken.
  absl::Status Decode(const ChunkShape& shape,
                      std::span<const BlobView> residual,
                      std::span<int8_t> codes, std::span<float> scales,
                      MutableByteView weights);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace qstore::codec
