// The codes that round to nearest would have given, for codes that the user
// brings: what an interval is looked up by when the given code is another.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/kernels/kernels.h"

namespace qstore::codec {

// nearest[i] is the code in whose interval weight i lies; 0 or -128, which have
// no interval (docs/format.md, "Code-zero subgroup"), when there is none: for
// NaN, for what rounds to 128 or more, and under a scale that is not usable. So
// no weight is an exception under its nearest code unless it is off the grid.
void FindNearestCodes(const Kernels& kernels, const ChunkShape& shape,
                      ByteView weights, std::span<const float> scales,
                      std::span<int8_t> nearest);

}  // namespace qstore::codec
