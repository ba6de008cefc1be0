#include "codec/int8/code_entropy.h"

#include <algorithm>
#include <array>

#include "codec/fixed_log2.h"

namespace qstore::codec {

uint64_t EstimateEntropyBits(std::span<const int8_t> codes) {
  constexpr size_t kPieces = 64;
  constexpr size_t kPieceCodes = 1024;
  std::array<uint64_t, 256> counts = {};
  const auto count_codes = [&](std::span<const int8_t> piece) {
    for (const int8_t code : piece) {
      ++counts[static_cast<uint8_t>(code)];
    }
  };
  uint64_t total = codes.size();
  if (total <= kPieces * kPieceCodes) {
    count_codes(codes);
  } else {
    total = kPieces * kPieceCodes;
    for (size_t i = 0; i < kPieces; ++i) {
      count_codes(codes.subspan(codes.size() / kPieces * i, kPieceCodes));
    }
  }
  int64_t bits = 0;  // of all that are counted, in fixed point
  for (const uint64_t count : counts) {
    if (count > 0) {
      bits += static_cast<int64_t>(count) *
              std::max<int64_t>(0, FixedLog2(total) - FixedLog2(count));
    }
  }
  return (static_cast<uint64_t>(bits) >> kLog2FractionBits) * codes.size() /
         std::max<uint64_t>(total, 1);
}

}  // namespace qstore::codec
