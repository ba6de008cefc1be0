// The loops of the sliced coder: one plain C++ version, which is the reference,
// and vector versions that give the same bytes. As in kernels.h, kernels check
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/int8/sliced_format.h"

namespace qstore::codec {

// Blocks for one call of a kernel.
inline constexpr size_t kMaxSlicedBatchBlocks = 16;
inline constexpr size_t kSlicedBatch = kMaxSlicedBatchBlocks * kSlicedBlock;
// How far behind its position a call may read or write a level's stream.
inline constexpr size_t kSlicedBatchStreamBytes = kSlicedBatch / 8 + 16;

// The bit streams of the levels, in one piece of memory. `next_bit` counts from
// its first byte.
struct LevelSource {
  const uint8_t* bytes = nullptr;
  uint64_t next_bit[kMaxSlicedLevels] = {};
};
// Streams start at multiples of 64 bits. In the word, of 64 bits, that
// `next_bit` is in, the bits from there on are 0.
struct LevelSink {
  uint8_t* bytes = nullptr;
  uint64_t next_bit[kMaxSlicedLevels] = {};
};

// Of at most 2^22 codes, where that of a negative code is -code - 1.
struct Magnitudes {
  uint32_t sum = 0;
  uint8_t largest = 0;
};

struct SlicedKernels {
  const char* name;

  // `blocks` is at most kMaxSlicedBatchBlocks; `table_of` and `codes` have
  // kSlicedBlock elements for each, `records` tables.record_bytes(). Tables are
  // below 128 and count modulo kSlicedTables.
  void (*decode_blocks)(const SlicedTables& tables, const uint8_t* table_of,
                        size_t blocks, const uint8_t* records,
                        LevelSource* levels, int8_t* codes);

  // The inverse. Every magnitude has a leaf in its table.
  void (*encode_blocks)(const SlicedTables& tables, const uint8_t* table_of,
                        size_t blocks, const int8_t* codes, uint8_t* records,
                        LevelSink* levels);

  // Adds the magnitudes of a row to the sums of its columns, which may wrap.
  Magnitudes (*add_magnitudes)(const int8_t* codes, size_t count,
                               uint16_t* column_sums);
};

const SlicedKernels& ScalarSlicedKernels();

// The best for this machine; ScalarSlicedKernels after ForceScalarKernels.
const SlicedKernels& BestSlicedKernels();

}  // namespace qstore::codec
