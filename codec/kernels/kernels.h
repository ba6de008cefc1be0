// The loops over weights: one plain C++ version, which is the reference, and
// vector versions that give the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/chunk.h"
#include "codec/interval.h"
#include "codec/residual/rank_cursor.h"

namespace qstore::codec {

// `weights` need no alignment. `count` is at most kBlockWeights for the rank
// kernels and any for the others.
struct Kernels {
  const char* name;

  // The largest magnitude among the finite weights, 0 if there are none.
  float (*finite_absmax)(FloatFormat format, const uint8_t* weights,
                         size_t count);

  // codes = clamp(rint(w / scale), -127, 127); 0 for NaN. `scale` is finite and
  // positive.
  void (*round_to_codes)(FloatFormat format, const uint8_t* weights,
                         size_t count, float scale, int8_t* codes);

  // As BuildIntervalTable.
  void (*build_interval_table)(FloatFormat format, float scale, uint32_t grid,
                               IntervalTable* table);

  // Appends ranks, extra bits, code-0 weights and exceptions of a block. An
  // exception has rank 0, so that the streams' lengths follow from the codes.
  void (*encode_ranks)(FloatFormat format, const IntervalTable& table,
                       const uint8_t* weights, const int8_t* codes,
                       size_t count, EncodeCursor* cursor);

  // The inverse; exceptions come out as the weights of rank 0.
  void (*decode_ranks)(FloatFormat format, const IntervalTable& table,
                       const int8_t* codes, size_t count, DecodeCursor* cursor,
                       uint8_t* weights);

  // Packs `groups` x kPackedGroup values of `bits` bits (1..8), one a byte,
  // the first into the lowest bits. Touches up to kVectorSlackBytes behind
  // `packed`.
  void (*pack_values)(const uint8_t* values, size_t groups, uint32_t bits,
                      uint8_t* packed);

  // The inverse; reads up to kVectorSlackBytes behind `packed`.
  void (*unpack_values)(const uint8_t* packed, size_t groups, uint32_t bits,
                        uint8_t* values);
};

const Kernels& ScalarKernels();

// The best for this machine.
const Kernels& BestKernels();

// For tests and benchmarks: while true, BestKernels is ScalarKernels.
void ForceScalarKernels(bool force);
bool ScalarKernelsForced();

}  // namespace qstore::codec
