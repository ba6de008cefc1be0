// The INT8 blob: a zstd skippable frame with our header and scales, then the
// codes as one of the coders stores them. That of kZstd is an ordinary zstd
// frame, so that `zstd -d` gives the codes.
// docs/format.md, "INT8 blob".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/encode_options.h"
#include "codec/int8/int8_coder.h"
#include "codec/scale_coding.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

inline constexpr uint8_t kInt8Version = 1;

// Not thread-safe.
class Int8Encoder {
 public:
  // `coder` is what the codes are meant for: where kZstd gets them smaller, it
  // is taken.
  absl::Status Encode(const ChunkShape& shape, Int8Coder coder,
                      std::span<const int8_t> codes,
                      std::span<const float> scales, ByteVector* blob);

 private:
  absl::Status AppendCodes(const ChunkShape& shape, Int8Coder coder,
                           std::span<const int8_t> codes, ByteVector* blob);
  // Appends with the smaller of `coder` and kZstd, and says which it is.
  absl::Status AppendSmaller(const ChunkShape& shape,
                             std::span<const int8_t> codes, ByteVector* blob,
                             Int8Coder* coder);

  ZstdEncoder zstd_{ZstdSearch::kLeast};  // of scales
  ScaleEncoder scales_;
  std::vector<std::unique_ptr<CodesEncoder>> coders_;  // by number
  ByteVector zstd_codes_;
};

// Not thread-safe.
class Int8Decoder {
 public:
  // DATA_LOSS.
  absl::Status Decode(const ChunkShape& shape, ByteView blob,
                      std::span<int8_t> codes, std::span<float> scales);

 private:
  ZstdDecoder zstd_;
  ByteVector scratch_;                                 // 1 byte a scale
  std::vector<std::unique_ptr<CodesDecoder>> coders_;  // by number
};

}  // namespace qstore::codec
