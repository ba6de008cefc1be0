// Where a rank kernel stands in the streams of a chunk.
//
// Kernels work on blocks of at most kBlockWeights weights that share a scale,
// and see ranks unpacked: each byte plane of a width has a stage, an array with
// one byte a value. Between blocks the owner (RankWriter, RankReader) moves
// values between stages and packed streams, and makes sure that a block can
// neither write nor read outside its buffers, whatever the codes are; so the
// kernels themselves check nothing.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "codec/interval.h"

namespace qstore::codec {

inline constexpr size_t kBlockWeights = 1024;
// Kernels load and store whole vectors: they may touch as many bytes behind
// what counts.
inline constexpr size_t kVectorSlackBytes = 64;

// Values are packed and unpacked in groups of this many, which are whole bytes
// in every width.
inline constexpr size_t kPackedGroup = 64;
// Enough for a block and what was left by those before it.
inline constexpr size_t kStagedValues = 2 * kBlockWeights;

// The stages of one width. Its planes move together.
struct RankStage {
  alignas(64) uint8_t planes[kMaxPlanes][kStagedValues + kVectorSlackBytes];
};
inline constexpr size_t kStagePlaneBytes = kStagedValues + kVectorSlackBytes;

// Appends bits, the lowest first.
struct BitSink {
  uint8_t* next = nullptr;
  uint64_t pending = 0;       // bits that are not yet a whole byte
  uint32_t pending_bits = 0;  // 0..7

  // `bits` has no bit at or above `count`; pending_bits + count <= 64.
  void Put(uint64_t bits, uint32_t count) {
    pending |= bits << pending_bits;
    StoreLittleEndian(pending, next);
    const uint32_t total = pending_bits + count;
    next += total >> 3;
    // In two steps, since a shift by 64 is undefined.
    pending = pending >> (total >> 3) * 4 >> (total >> 3) * 4;
    pending_bits = total & 7;
  }
};

// Reads bits, the lowest first.
struct BitSource {
  const uint8_t* bytes = nullptr;
  uint64_t position_bits = 0;

  // The next bits, at least 57 of them, without moving. 8 bytes behind the
  // position are readable.
  uint64_t Peek() const {
    return LoadLittleEndian<uint64_t>(bytes + (position_bits >> 3)) >>
           (position_bits & 7);
  }
  // The next 64 bits; 9 bytes are readable.
  uint64_t Peek64() const {
    const uint32_t shift = position_bits & 7;
    return Peek() | uint64_t{bytes[(position_bits >> 3) + 8]} << 1
                                                              << (63 - shift);
  }
};
// A block takes or gives at most one extra bit a weight, and touches whole
// words.
inline constexpr size_t kBlockExtraBytes = kBlockWeights / 8 + 16;

// A weight outside the interval of its code.
struct Exception {
  uint32_t position;  // in the chunk
  uint32_t bits;
};

struct EncodeCursor {
  // By width: where the next value goes. Its plane p is p * kStagePlaneBytes
  // behind.
  uint8_t* ranks[kMaxWidth + 1] = {};
  BitSink extra;
  uint32_t extra_bit_count = 0;
  // Code-0 weights with the exponent counted from the table's zero_exponent:
  // (bits & ~mask) | ((bits - zero_exponent) & mask), mask the exponent field.
  // Elements of the chunk's format.
  uint8_t* next_code_zero = nullptr;
  Exception* next_exception = nullptr;
  uint32_t block_position = 0;  // of the block's first weight in the chunk
};

struct DecodeCursor {
  const uint8_t* ranks[kMaxWidth + 1] = {};  // likewise
  BitSource extra;
  const uint8_t* next_code_zero = nullptr;
};

}  // namespace qstore::codec
