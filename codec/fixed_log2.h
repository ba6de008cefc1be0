// Logarithms that are the same on every machine, unlike those of C libraries:
// what an encoder decides by them reaches the stored bytes.
#pragma once

#include <bit>
#include <cstdint>

namespace qstore::codec {

inline constexpr int kLog2FractionBits = 16;

// log2(x) * 2^16 for x of at least 1; off by at most 0.01 * 2^16 between powers
// of 2.
inline int64_t FixedLog2(uint64_t x) {
  const auto exponent = static_cast<int64_t>(std::bit_width(x)) - 1;
  // What follows the leading 1.
  const auto fraction = static_cast<int64_t>(x << (63 - exponent) << 1 >> 48);
  constexpr int64_t kOne = int64_t{1} << kLog2FractionBits;
  constexpr int64_t kBend = 22525;  // 0.3437
  return (exponent << kLog2FractionBits) + fraction +
         fraction * (kOne - fraction) / kOne * kBend / kOne;
}

}  // namespace qstore::codec
