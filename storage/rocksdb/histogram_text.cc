#include "storage/rocksdb/histogram_text.h"

#include <charconv>

namespace qstore::storage {

uint64_t SumOfHistogramCounts(std::string_view text) {
  constexpr std::string_view kCount = "Count: ";
  uint64_t sum = 0;
  for (size_t at = text.find(kCount); at != std::string_view::npos;
       at = text.find(kCount, at)) {
    at += kCount.size();
    uint64_t count = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), count);
    sum += count;
  }
  return sum;
}

}  // namespace qstore::storage
