// Ascending positions in a chunk, stored as the gaps between them in three byte
// planes. docs/format.md, "Exceptions" and "Code differences".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

// Positions are below 2^22 (kChunkWeights).
inline constexpr uint32_t kGapBytes = 3;
static_assert(kChunkWeights <= 1u << 8 * kGapBytes);

// Appends the gap planes of `count` positions; position(i) ascends with i.
// `scratch` is working memory of `count` bytes.
template <typename Position>
absl::Status AppendPositions(size_t count, Position&& position,
                             ZstdEncoder* zstd, ByteVector* scratch,
                             ByteVector* out) {
  scratch->resize(count);
  for (uint32_t plane = 0; plane < kGapBytes; ++plane) {
    uint32_t next = 0;
    for (size_t i = 0; i < count; ++i) {
      (*scratch)[i] = static_cast<uint8_t>((position(i) - next) >> 8 * plane);
      next = position(i) + 1;
    }
    absl::Status status = zstd->AppendPlane(*scratch, out);
    if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// Takes the planes of `count` positions from the front of *in. DATA_LOSS, also
// when a position is not below `weight_count`.
absl::Status TakePositions(ByteView* in, size_t count, uint64_t weight_count,
                           ZstdDecoder* zstd, ByteVector* scratch,
                           std::vector<uint32_t>* positions);

}  // namespace qstore::codec
