// The INT8 blob: a zstd skippable frame with our header and scales, then one
// ordinary zstd frame of the codes, so that `zstd -d` gives the codes.
// docs/format.md, "INT8 blob".
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/chunk_codec.h"
#include "codec/scale_coding.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

inline constexpr uint8_t kInt8Version = 1;

class Int8Encoder {
 public:
  absl::Status Encode(const ChunkShape& shape, Int8Coder coder,
                      std::span<const int8_t> codes,
                      std::span<const float> scales, ZstdEncoder* zstd,
                      ByteVector* blob);

 private:
  ScaleEncoder scales_;
};

// DATA_LOSS. `scratch` is working memory, 1 byte a scale.
absl::Status DecodeInt8Blob(const ChunkShape& shape, ByteView blob,
                            ZstdDecoder* zstd, ByteVector* scratch,
                            std::span<int8_t> codes, std::span<float> scales);

}  // namespace qstore::codec
