// The reference kernels of the sliced coder.
//
// Without branches on the codes, which would be mispredicted: where many codes
// go on, eight at a time as the bytes of a word; at the deeper levels by a list
// of those that are not at a leaf yet.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "codec/int8/sliced_magnitudes.h"
#include "codec/int8/sliced_records.h"
#include "codec/kernels/sliced_kernels.h"

namespace qstore::codec {
namespace {

uint64_t LoadBits(const uint8_t* bytes, uint64_t bit) {
  const uint8_t* from = bytes + (bit >> 3);
  const uint64_t shift = bit & 7;
  return LoadLittleEndian<uint64_t>(from) >> shift | uint64_t{from[8]}
                                                         << 1 << (63 - shift);
}

void StoreBits(uint64_t bits, uint64_t bit, uint8_t* bytes) {
  uint8_t* words = bytes + (bit >> 6 << 3);
  const uint64_t shift = bit & 63;
  StoreLittleEndian(LoadLittleEndian<uint64_t>(words) | bits << shift, words);
  StoreLittleEndian(bits >> 1 >> (63 - shift), words + 8);
}

// Bounds of a level for the classes' sums, before the modulo.
struct LevelBounds {
  uint8_t by_table[2 * kSlicedTables];

  explicit LevelBounds(const uint8_t* bounds) {
    std::memcpy(by_table, bounds, kSlicedTables);
    std::memcpy(by_table + kSlicedTables, bounds, kSlicedTables);
  }
};

// Four bits at the places of the bits set in `places`, in order: pdep.
// [16 * places + bits].
constexpr std::array<uint8_t, 256> kDeposited = [] {
  std::array<uint8_t, 256> deposited = {};
  for (uint32_t places = 0; places < 16; ++places) {
    for (uint32_t bits = 0; bits < 16; ++bits) {
      uint32_t left = bits;
      for (uint32_t i = 0; i < 4; ++i) {
        if ((places >> i & 1) != 0) {
          deposited[16 * places + bits] |= (left & 1) << i;
          left >>= 1;
        }
      }
    }
  }
  return deposited;
}();

// Bit i as byte i, of 0 or 1.
constexpr std::array<uint64_t, 256> kSpread = [] {
  std::array<uint64_t, 256> spread = {};
  for (uint32_t bits = 0; bits < 256; ++bits) {
    for (uint32_t i = 0; i < 8; ++i) {
      spread[bits] |= uint64_t{bits >> i & 1} << (8 * i);
    }
  }
  return spread;
}();

// One level down for the nodes in the bytes of a word. `bits` are what the
// level's stream has next.
struct WordStep {
  uint64_t nodes;
  uint64_t bits_taken;
};
WordStep DescendWord(uint64_t nodes, uint64_t bounds, uint64_t bits) {
  // No byte borrows from the next: nodes are below 128, bounds at most 128.
  const uint64_t above = (nodes | InEveryByte(0x80)) - bounds;
  const uint64_t goes_on = above >> 7 & InEveryByte(1);
  // The lowest bits of all bytes, side by side.
  const uint64_t places = goes_on * 0x0102040810204080 >> 56;
  const uint64_t low_taken = (goes_on << 32) * 0x01010101 >> 56;
  const uint64_t low = kDeposited[(places & 0x0F) << 4 | (bits & 15)];
  const uint64_t high = kDeposited[(places & 0xF0) | (bits >> low_taken & 15)];
  // 2 * node - bound + bit
  return {nodes + (above & goes_on * 0x7F) + kSpread[high << 4 | low],
          goes_on * InEveryByte(1) >> 56};
}

// One level down for all codes of some blocks.
void DescendAll(const LevelBounds& bounds, const uint8_t* table_of,
                size_t blocks, const uint8_t* level_bytes, uint64_t* next_bit,
                uint8_t* nodes) {
  // All of them first: words of bytes that were just stored are slow to load.
  uint8_t bound_of[kSlicedBatch];
  for (size_t i = 0; i < blocks * kSlicedBlock; i += 8) {
    for (size_t j = i; j < i + 8; ++j) {
      bound_of[j] = bounds.by_table[table_of[j]];
    }
  }
  for (size_t block = 0; block < blocks * kSlicedBlock; block += kSlicedBlock) {
    uint64_t bits = LoadBits(level_bytes, *next_bit);
    for (size_t i = block; i < block + kSlicedBlock; i += 8) {
      const WordStep step =
          DescendWord(LoadLittleEndian<uint64_t>(nodes + i),
                      LoadLittleEndian<uint64_t>(bound_of + i), bits);
      StoreLittleEndian(step.nodes, nodes + i);
      bits >>= step.bits_taken;
      *next_bit += step.bits_taken;
    }
  }
}

// Lists the codes that go on at a level, and returns how many.
size_t ListUnfinished(const LevelBounds& bounds, const uint8_t* table_of,
                      size_t count, const uint8_t* nodes,
                      uint16_t* unfinished) {
  size_t size = 0;
  for (size_t i = 0; i < count; i += 8) {
    for (size_t j = i; j < i + 8; ++j) {
      unfinished[size] = static_cast<uint16_t>(j);
      size += nodes[j] >= bounds.by_table[table_of[j]] ? 1 : 0;
    }
  }
  return size;
}

// One level down for the codes that are listed, all of which go on there.
// Leaves those in the list that go on at the next level too, and returns how
// many.
size_t DescendListed(const LevelBounds& bounds, const LevelBounds& next_bounds,
                     const uint8_t* table_of, const uint8_t* level_bytes,
                     uint64_t* next_bit, size_t count, uint16_t* unfinished,
                     uint8_t* nodes) {
  size_t size = 0;
  for (size_t first = 0; first < count; first += 64) {
    const size_t end = std::min(count, first + 64);
    uint64_t bits = LoadBits(level_bytes, *next_bit);
    *next_bit += end - first;
    for (size_t i = first; i < end; ++i) {
      const uint16_t index = unfinished[i];
      const uint8_t table = table_of[index];
      const auto node = static_cast<uint8_t>(
          2 * nodes[index] - bounds.by_table[table] + (bits & 1));
      bits >>= 1;
      nodes[index] = node;
      unfinished[size] = index;
      size += node >= next_bounds.by_table[table] ? 1 : 0;
    }
  }
  return size;
}

void DecodeBlocks(const SlicedTables& tables, const uint8_t* table_of,
                  size_t blocks, const uint8_t* records, LevelSource* levels,
                  int8_t* codes) {
  const size_t count = blocks * kSlicedBlock;
  uint8_t starts[kSlicedBatch];
  VisitNumber<kMaxShortestBits>(tables.shortest_bits, [&](auto bits) {
    UnpackRecords<decltype(bits)::value>(records, blocks, starts);
  });
  uint8_t nodes[kSlicedBatch];
  for (size_t i = 0; i < count; ++i) {
    nodes[i] = starts[i] & 0x7F;
  }
  uint32_t level = 0;
  for (; level < tables.busy_levels; ++level) {
    DescendAll(LevelBounds(tables.bounds[level]), table_of, blocks,
               levels->bytes, &levels->next_bit[level], nodes);
  }
  if (level < tables.level_count) {
    LevelBounds bounds(tables.bounds[level]);
    uint16_t unfinished[kSlicedBatch];
    size_t listed = ListUnfinished(bounds, table_of, count, nodes, unfinished);
    for (; level < tables.level_count; ++level) {
      const LevelBounds next_bounds(tables.bounds[level + 1]);
      listed =
          DescendListed(bounds, next_bounds, table_of, levels->bytes,
                        &levels->next_bit[level], listed, unfinished, nodes);
      bounds = next_bounds;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const auto sign = static_cast<uint8_t>(-(starts[i] >> 7));
    codes[i] = static_cast<int8_t>(nodes[i] ^ sign);
  }
}

// One level up for the codes that are listed, or for all of them.
template <bool kAll>
void AscendLevel(const LevelBounds& bounds, const uint8_t* table_of,
                 size_t count, const uint16_t* listed, uint8_t* level_bytes,
                 uint64_t* next_bit, uint8_t* nodes) {
  for (size_t first = 0; first < count; first += 64) {
    const size_t end = std::min(count, first + 64);
    uint64_t bits = 0;
    uint64_t bit_count = 0;
    for (size_t i = first; i < end; ++i) {
      const size_t index = kAll ? i : listed[i];
      const int64_t node = nodes[index];
      const int64_t bound = bounds.by_table[table_of[index]];
      const int64_t goes_on = ~((node - bound) >> 63);  // -1 if so, else 0
      const int64_t sum = node + bound;
      // The count is 64 only when no bit is left to add.
      bits |= static_cast<uint64_t>(sum & goes_on & 1) << (bit_count & 63);
      bit_count -= static_cast<uint64_t>(goes_on);
      nodes[index] =
          static_cast<uint8_t>(node + (((sum >> 1) - node) & goes_on));
    }
    StoreBits(bits, *next_bit, level_bytes);
    *next_bit += bit_count;
  }
}

void EncodeBlocks(const SlicedTables& tables, const uint8_t* table_of,
                  size_t blocks, const int8_t* codes, uint8_t* records,
                  LevelSink* levels) {
  const size_t count = blocks * kSlicedBlock;
  uint8_t nodes[kSlicedBatch];
  for (size_t i = 0; i < count; ++i) {
    nodes[i] = static_cast<uint8_t>(codes[i] ^ (codes[i] >> 7));
  }
  uint16_t listed[kSlicedBatch];
  const size_t listed_count =
      ListUnfinished(LevelBounds(tables.bounds[tables.busy_levels]), table_of,
                     count, nodes, listed);
  for (uint32_t level = tables.level_count; level-- > tables.busy_levels;) {
    AscendLevel<false>(LevelBounds(tables.bounds[level]), table_of,
                       listed_count, listed, levels->bytes,
                       &levels->next_bit[level], nodes);
  }
  for (uint32_t level = tables.busy_levels; level-- > 0;) {
    AscendLevel<true>(LevelBounds(tables.bounds[level]), table_of, count,
                      nullptr, levels->bytes, &levels->next_bit[level], nodes);
  }
  for (size_t i = 0; i < count; ++i) {
    nodes[i] = static_cast<uint8_t>(nodes[i] | (codes[i] & 0x80));
  }
  VisitNumber<kMaxShortestBits>(tables.shortest_bits, [&](auto bits) {
    PackRecords<decltype(bits)::value>(nodes, blocks, records);
  });
}

Magnitudes AddMagnitudes(const int8_t* codes, size_t count,
                         uint16_t* column_sums) {
  return SumMagnitudes(codes, count, column_sums);
}

}  // namespace

const SlicedKernels& ScalarSlicedKernels() {
  static constexpr SlicedKernels kKernels = {"scalar", DecodeBlocks,
                                             EncodeBlocks, AddMagnitudes};
  return kKernels;
}

}  // namespace qstore::codec
