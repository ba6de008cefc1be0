// Encodes and decodes one chunk of a quantized tensor whose codes and scales
// the caller may bring: weights become an INT8 blob and residual blobs
// (subgroups); INT8 needs only the first, the original weights need both.
// docs/format.md is the contract for the bytes. What is stored and sent goes
// through codec/layer_stack.h, which knows every layer.
//
// Encoders and decoders own working memory (at most 64 MiB) that is reused from
// call to call: keep one per thread. Neither is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/blob.h"
#include "codec/chunk.h"
#include "codec/encode_options.h"

namespace qstore::codec {

struct EncodedChunk {
  ByteVector int8_blob;
  std::vector<EncodedBlob> residual;  // ascending by subgroup, never empty
  uint64_t codes_xxh3 = 0;   // XXH3-64 of the decoded codes, row-major int8
  uint64_t scales_xxh3 = 0;  // XXH3-64 of the decoded scales, float32
};

class ChunkEncoder {
 public:
  explicit ChunkEncoder(EncodeOptions options);
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder&) = delete;
  ChunkEncoder& operator=(const ChunkEncoder&) = delete;

  // Quantizes with options.quantizer and encodes. `shape.strategy` must be
  // kChannel or kGroup. `weights` has shape.weight_bytes() bytes, any
  // alignment, any bit patterns. Deterministic: equal input gives equal bytes
  // on every machine. INVALID_ARGUMENT when sizes do not fit `shape`.
  absl::Status Encode(const ChunkShape& shape, ByteView weights,
                      EncodedChunk* out);

  // The same for codes and scales that the caller brings.
  absl::Status EncodePair(const ChunkShape& shape, ByteView weights,
                          std::span<const int8_t> codes,
                          std::span<const float> scales, EncodedChunk* out);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

class ChunkDecoder {
 public:
  ChunkDecoder();
  ~ChunkDecoder();
  ChunkDecoder(const ChunkDecoder&) = delete;
  ChunkDecoder& operator=(const ChunkDecoder&) = delete;

  // Takes hostile bytes. `codes` has shape.weight_count() elements, `scales`
  // shape.scale_count(); what they hold after an error is unspecified.
  // DATA_LOSS says which rule of the format is broken.
  absl::Status DecodeInt8(const ChunkShape& shape, ByteView int8_blob,
                          std::span<int8_t> codes, std::span<float> scales);

  // `residual` ascending by subgroup, as the encoder gave it. `weights` has
  // shape.weight_bytes() bytes. DATA_LOSS as above.
  absl::Status DecodeWeights(const ChunkShape& shape, ByteView int8_blob,
                             std::span<const BlobView> residual,
                             MutableByteView weights);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace qstore::codec
