// The exact interval: which weights have which code under a scale.
//
// For finite s > 0 the code of a weight w is rint(w / s), by float32 division
// and ties to even. Both steps are monotone, so the magnitudes that have code
// magnitude `a` are exactly the ordinals lo(a) .. lo(a + 1) - 1, and a weight
// is known by its code and its rank in that interval. docs/format.md,
// "Interval".
#pragma once

#include <cstdint>

#include "codec/chunk.h"

namespace qstore::codec {

// The largest width of a rank (see IntervalTable), and how many byte planes a
// rank of that width has.
inline constexpr uint32_t kMaxWidth = 23;
inline constexpr uint32_t kMaxPlanes = 3;

// What the kernels need to know about one scale, by code magnitude 1..127. On a
// grid g ordinals count in units of 2^g: lowest = ceil(lo(a) / 2^g). An
// interval of n ordinals (at least 1) is coded in truncated binary: ranks below
// `threshold` = u take `width` = k bits, the others one more, n = 2^(k+1) - u.
// Index 0 (codes 0 and -128) is width 0, threshold 1: nothing is coded.
struct IntervalTable {
  alignas(64) uint32_t lowest[128];
  alignas(64) uint32_t threshold[128];
  alignas(64) uint8_t width[128];
  // Bit k: some magnitude has width k.
  uint32_t widths;
  // The exponent field of the largest value of code 0 (mantissa bits zero):
  // what exponents of code-0 weights are counted from.
  uint32_t zero_exponent;
  uint32_t grid;

  uint32_t Count(uint32_t magnitude) const {
    return (2u << width[magnitude]) - threshold[magnitude];
  }
};

// A scale whose intervals are defined. Under any other, every interval is the
// one ordinal 0.
bool IsUsableScale(float scale);

// lo(magnitude), magnitude 1..128: the smallest ordinal of a positive finite
// value that rounds to `magnitude` or more; InfinityOrdinal when there is none.
// `scale` must be usable.
uint32_t LowestOrdinal(FloatFormat format, float scale, uint32_t magnitude);

// The reference that vector versions must equal. grid <= 23.
void BuildIntervalTable(FloatFormat format, float scale, uint32_t grid,
                        IntervalTable* table);

// Fills widths, thresholds and what follows from them. `lowest[1..127]` and
// `end` = the boundary of magnitude 128 are in units of the grid already,
// `zero_end` is lo(1) in ordinals.
void FinishIntervalTable(FloatFormat format, uint32_t end, uint32_t zero_end,
                         uint32_t grid, IntervalTable* table);

}  // namespace qstore::codec
