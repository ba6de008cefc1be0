// How many bits codes take at least when each is coded by itself.
#pragma once

#include <cstdint>
#include <span>

namespace qstore::codec {

// An estimate from at most 64 Ki of the codes, to about 1 %; too low for a few
// hundred codes, whose distribution nobody knows. Deterministic.
uint64_t EstimateEntropyBits(std::span<const int8_t> codes);

}  // namespace qstore::codec
