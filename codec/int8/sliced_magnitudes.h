// Sums over codes, as the sliced coder folds them: a plain loop, which
// compilers turn into vector code for the target that it is inlined into.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "codec/kernels/sliced_kernels.h"
#include "hwy/base.h"

namespace qstore::codec {

HWY_INLINE Magnitudes SumMagnitudes(const int8_t* HWY_RESTRICT codes,
                                    size_t count,
                                    uint16_t* HWY_RESTRICT column_sums) {
  Magnitudes magnitudes;
  uint32_t sum = 0;
  uint8_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto magnitude = static_cast<uint8_t>(codes[i] ^ (codes[i] >> 7));
    sum += magnitude;
    largest = std::max(largest, magnitude);
    column_sums[i] = static_cast<uint16_t>(column_sums[i] + magnitude);
  }
  magnitudes.sum = sum;
  magnitudes.largest = largest;
  return magnitudes;
}

}  // namespace qstore::codec
