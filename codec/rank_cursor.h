// Where a rank kernel stands in the streams of a chunk.
//
// Kernels work on blocks of at most kBlockWeights weights that share a scale.
// Between blocks the owner (RankWriter, RankReader) makes sure that a block can
// neither write nor read outside its buffers, whatever the codes are; so the
// kernels themselves check nothing.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "codec/interval.h"

namespace qstore::codec {

inline constexpr size_t kBlockWeights = 1024;
// No block moves a stream further than this, nor touches more bytes behind its
// position: at most 8 bits a weight, and whole 8-byte words.
inline constexpr size_t kBlockStreamBytes = kBlockWeights + 16;

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

// Reads bits, the lowest first. At least 8 bytes behind the position are
// readable.
struct BitSource {
  const uint8_t* bytes = nullptr;
  uint64_t position_bits = 0;

  // The next bits, at least 57 of them, without moving.
  uint64_t Peek() const {
    return LoadLittleEndian<uint64_t>(bytes + (position_bits >> 3)) >>
           (position_bits & 7);
  }
};

// A weight outside the interval of its code.
struct Exception {
  uint32_t position;  // in the chunk
  uint32_t bits;
};

struct EncodeCursor {
  BitSink ranks[kMaxPlanes][kMaxWidth + 1];  // [plane][width]
  BitSink extra;
  uint32_t extra_bit_count = 0;
  // Code-0 weights with the exponent counted from the table's zero_exponent:
  // (bits & ~mask) | ((bits - zero_exponent) & mask), mask the exponent field.
  uint32_t* next_code_zero = nullptr;
  Exception* next_exception = nullptr;
  uint32_t block_position = 0;  // of the block's first weight in the chunk
};

struct DecodeCursor {
  BitSource ranks[kMaxPlanes][kMaxWidth + 1];
  BitSource extra;
  const uint32_t* next_code_zero = nullptr;
};

}  // namespace qstore::codec
