// Encodes and decodes one chunk of a quantized tensor: weights become an INT8
// blob and residual blobs (subgroups); INT8 needs only the first, the original
// weights need both. docs/format.md is the contract for the bytes.
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
#include "codec/chunk.h"

namespace qstore::codec {

// Entropy coder of the codes. DO NOT CHANGE THESE VALUES.
enum class Int8Coder : uint8_t { kZstd = 1, kSliced = 2 };

struct EncodeOptions {
  // Chunks that kZstd makes smaller are left to it. codec/int8/int8_coder.h.
  Int8Coder coder = Int8Coder::kZstd;
  // What ChunkEncoder::Encode quantizes with: a name of codec/quantizer.h,
  // which must live as long as the encoder.
  std::string_view quantizer = "absmax";
};

// One stored value of the residual. `subgroup` is part of its key: the numbers
// are listed in docs/format.md.
struct ResidualBlob {
  uint8_t subgroup = 0;
  ByteVector bytes;
};
struct ResidualBlobView {
  uint8_t subgroup = 0;
  ByteView bytes;
};

struct EncodedChunk {
  ByteVector int8_blob;
  std::vector<ResidualBlob> residual;  // ascending by subgroup, never empty
  uint64_t codes_xxh3 = 0;    // XXH3-64 of the decoded codes, row-major int8
  uint64_t scales_xxh3 = 0;   // XXH3-64 of the decoded scales, float32
  uint64_t weights_xxh3 = 0;  // XXH3-64 of the original bytes
};

class ChunkEncoder {
 public:
  explicit ChunkEncoder(EncodeOptions options);
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder&) = delete;
  ChunkEncoder& operator=(const ChunkEncoder&) = delete;

  // Of the chunks from now on.
  void set_coder(Int8Coder coder);

  // Quantizes (round to nearest, scale = absmax / 127; see codec/quantizer.h)
  // and encodes. `shape.strategy` must be kChannel or kGroup. `weights` has
  // shape.weight_bytes() bytes, any alignment, any bit patterns. Deterministic:
  // equal input gives equal bytes on every machine.
  // INVALID_ARGUMENT when sizes do not fit `shape`.
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
                             std::span<const ResidualBlobView> residual,
                             MutableByteView weights);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace qstore::codec
