// The grid: FP16 made from BF16, or FP32 made from either, leaves the lowest
// mantissa bits of its weights zero. Ranks then count in units of 2^g.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/chunk.h"

namespace qstore::codec {

// The g that costs least: bits saved against exceptions made. 0 for weights
// that fill their format. `weights` and `codes` have equal counts.
uint32_t ChooseGrid(FloatFormat format, ByteView weights,
                    std::span<const int8_t> codes);

}  // namespace qstore::codec
