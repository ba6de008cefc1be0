// Scales as stored in an INT8 blob: docs/format.md, "Scales".
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

// DO NOT CHANGE THESE VALUES.
enum class ScaleCoding : uint8_t {
  kFloat32 = 0,  // the scales' own bits
  kAbsmax = 1,   // each scale is x / 127: the bits of x in the chunk's format
};

// Not thread-safe.
class ScaleEncoder {
 public:
  // Appends the scales' planes in the smaller coding and says which it is.
  absl::Status Append(FloatFormat format, std::span<const float> scales,
                      ZstdEncoder* zstd, ByteVector* out, ScaleCoding* coding);

 private:
  absl::Status AppendSmaller(FloatFormat format, std::span<const float> scales,
                             ZstdEncoder* zstd, ByteVector* out,
                             ScaleCoding* coding);
  absl::Status AppendPlanes(std::span<const uint32_t> values,
                            uint32_t element_bytes, ZstdEncoder* zstd,
                            ByteVector* out);

  std::vector<uint32_t> values_;
  ByteVector plane_;
};

// Takes the planes from the front of *in. DATA_LOSS.
absl::Status DecodeScales(FloatFormat format, ScaleCoding coding, ByteView* in,
                          ZstdDecoder* zstd, ByteVector* scratch,
                          std::span<float> scales);

}  // namespace qstore::codec
