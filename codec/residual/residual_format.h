// Numbers of the residual's blobs and the layout of its head: docs/format.md,
// "Residual".
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/chunk.h"

namespace qstore::codec {

inline constexpr uint8_t kResidualVersion = 1;

// The subgroup numbers. DO NOT CHANGE THESE VALUES. 1..23 are the ranks of that
// width; numbers that are not listed are reserved.
inline constexpr uint8_t kHeadSubgroup = 0;
inline constexpr uint8_t kFirstRankSubgroup = 1;
inline constexpr uint8_t kLastRankSubgroup = 23;
inline constexpr uint8_t kExtraBitsSubgroup = 32;
inline constexpr uint8_t kCodeZeroSubgroup = 33;
inline constexpr uint8_t kExceptionsSubgroup = 34;
inline constexpr uint8_t kPlainSubgroup = 35;
inline constexpr uint8_t kCodeDifferencesSubgroup = 36;
inline constexpr uint8_t kLastSubgroup = kCodeDifferencesSubgroup;

// DO NOT CHANGE THESE VALUES.
enum class ResidualMode : uint8_t {
  kInterval = 0,     // ranks in the interval of the code
  kPlain = 1,        // the weights by themselves
  kDifferences = 2,  // differences to the nearest codes, ranks in theirs
};

// How a code follows from weight and scale. DO NOT CHANGE THESE VALUES.
enum class Rounding : uint8_t { kNearest = 1 };

// The head, one for each chunk, 20 bytes.
struct ResidualHead {
  ResidualMode mode = ResidualMode::kInterval;
  FloatFormat format = FloatFormat::kBF16;
  Rounding rounding = Rounding::kNearest;
  uint8_t grid = 0;
  uint32_t code_zero_count = 0;
  uint32_t extra_bit_count = 0;
  uint32_t exception_count = 0;

  void EncodeTo(ByteVector* blob) const;
  // Checks every field against `shape`. DATA_LOSS.
  static absl::StatusOr<ResidualHead> DecodeFrom(ByteView blob,
                                                 const ChunkShape& shape);
};
inline constexpr size_t kResidualHeadBytes = 20;

// At most this many weights of a chunk may be exceptions.
constexpr uint64_t MaxExceptions(const ChunkShape& shape) {
  return shape.weight_count() / 2;
}

// Byte planes of a rank: plane p has the bits from 8p on, at most eight.
constexpr uint32_t PlaneCount(uint32_t width) { return (width + 7) / 8; }
constexpr uint32_t PlaneBits(uint32_t width, uint32_t plane) {
  const uint32_t left = width - 8 * plane;
  return left < 8 ? left : 8;
}
// Bytes of one plane of `count` ranks.
constexpr uint64_t PlaneBytes(uint32_t width, uint32_t plane, uint64_t count) {
  return (count * PlaneBits(width, plane) + 7) / 8;
}

}  // namespace qstore::codec
