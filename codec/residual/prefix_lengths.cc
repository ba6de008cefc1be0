#include "codec/residual/prefix_lengths.h"

#include <algorithm>

namespace qstore::codec {
namespace {

// A code of l bits takes this much of the space of codes; all of it is
// Space(limits, 0).
uint64_t Space(const PrefixLimits& limits, uint32_t length) {
  return uint64_t{1} << (limits.longest - length);
}

// The lengths that are best when space has a price: one bit more costs a symbol
// its weight, and frees half of its space.
PrefixLengths LengthsAtPrice(std::span<const uint64_t> weights,
                             const PrefixLimits& limits, uint64_t price) {
  PrefixLengths cumulative = {};
  for (uint32_t length = limits.shortest; length < limits.longest; ++length) {
    const auto end = std::partition_point(
        weights.begin(), weights.end(),
        [&](uint64_t w) { return w << (length + 1) >= price; });
    cumulative[length] = static_cast<uint16_t>(end - weights.begin());
  }
  cumulative[limits.longest] = static_cast<uint16_t>(weights.size());
  return cumulative;
}

uint64_t SpaceTaken(const PrefixLengths& cumulative,
                    const PrefixLimits& limits) {
  uint64_t space = 0;
  uint64_t shorter = 0;
  for (uint32_t length = limits.shortest; length <= limits.longest; ++length) {
    space += (cumulative[length] - shorter) * Space(limits, length);
    shorter = cumulative[length];
  }
  return space;
}

// Gives space that is left to the symbols that gain most by it.
void UseSpaceLeft(std::span<const uint64_t> weights, const PrefixLimits& limits,
                  uint64_t left, PrefixLengths* cumulative) {
  while (left > 0) {
    uint32_t best_length = 0;
    uint64_t best_gain = 0;
    for (uint32_t length = limits.shortest + 1; length <= limits.longest;
         ++length) {
      const uint32_t first = (*cumulative)[length - 1];
      if (first == (*cumulative)[length] || Space(limits, length) > left) {
        continue;
      }
      const uint64_t gain = weights[first] << length;
      if (gain > best_gain) {
        best_gain = gain;
        best_length = length;
      }
    }
    ++(*cumulative)[best_length - 1];
    left -= Space(limits, best_length);
  }
}

}  // namespace

PrefixLengths ChoosePrefixLengths(std::span<const uint64_t> weights,
                                  const PrefixLimits& limits) {
  const uint64_t space = Space(limits, 0);
  // The lowest price at which the codes fit, to about 1 in 256; at the highest
  // all codes have the longest length.
  uint64_t too_low = 0;
  uint64_t enough = weights.front() << (limits.longest + 1);
  ++enough;
  while (enough - too_low > (enough >> 8) + 1) {
    const uint64_t middle = too_low == 0 ? std::max<uint64_t>(1, enough >> 4)
                                         : too_low + (enough - too_low) / 2;
    if (SpaceTaken(LengthsAtPrice(weights, limits, middle), limits) <= space) {
      enough = middle;
    } else {
      too_low = middle;
    }
  }
  PrefixLengths cumulative = LengthsAtPrice(weights, limits, enough);
  UseSpaceLeft(weights, limits, space - SpaceTaken(cumulative, limits),
               &cumulative);
  return cumulative;
}

}  // namespace qstore::codec
