// Lengths of a prefix code, within limits, for symbols that are sorted from the
// most frequent to the rarest.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace qstore::codec {

inline constexpr uint32_t kMaxPrefixBits = 15;

struct PrefixLimits {
  uint32_t shortest = 0;
  uint32_t longest = 0;  // at most kMaxPrefixBits
};

// cumulative[l] of the symbols have a code of at most l bits.
using PrefixLengths = std::array<uint16_t, kMaxPrefixBits + 1>;

// `weights` never increase, are at least 1 and below 2^40; there are at least
// 2^shortest of them, at most 2^longest. The code is complete: no other code
// could be added. Deterministic.
PrefixLengths ChoosePrefixLengths(std::span<const uint64_t> weights,
                                  const PrefixLimits& limits);

}  // namespace qstore::codec
