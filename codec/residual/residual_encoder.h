// Encodes what turns codes and scales into the original weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/blob.h"
#include "codec/chunk.h"

namespace qstore::codec {

// Reuses its working memory from chunk to chunk: keep one per thread. Not
// thread-safe.
class ResidualEncoder {
 public:
  ResidualEncoder();
  ~ResidualEncoder();
  ResidualEncoder(const ResidualEncoder&) = delete;
  ResidualEncoder& operator=(const ResidualEncoder&) = delete;

  // `shape` has passed CheckShape, and the sizes fit it. The blobs ascend by
  // subgroup; there is at least one. Deterministic.
  absl::Status Encode(const ChunkShape& shape, ByteView weights,
                      std::span<const int8_t> codes,
                      std::span<const float> scales,
                      std::vector<EncodedBlob>* residual);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace qstore::codec
