// Sizes and shares as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace qstore {

// Decimal units and three significant digits: "0 B", "999 B", "1.50 MB",
// "12.3 GB".
std::string FormatBytes(uint64_t bytes);

// "44.6 %" of `whole`; "-" when there is no whole to take a part of.
std::string FormatPercent(uint64_t part, uint64_t whole);

}  // namespace qstore
