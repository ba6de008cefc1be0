// RocksDB's histograms, which it gives as text only.
#pragma once

#include <cstdint>
#include <string_view>

namespace qstore::storage {

// Sum of N over all "Count: N" in the text: how many samples the histograms of
// all levels hold.
uint64_t SumOfHistogramCounts(std::string_view text);

}  // namespace qstore::storage
