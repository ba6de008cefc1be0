#include "codec/interval.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "codec/float_bits.h"

namespace qstore::codec {
namespace {

// Whether the value of `ordinal` rounds to `magnitude` or more. The minimum
// keeps the quotient in RoundHalfEven's range.
template <FloatFormat kFormat>
bool Reaches(uint32_t ordinal, float scale, uint32_t magnitude) {
  const float quotient = std::min(ToFloat<kFormat>(ordinal) / scale, 1024.0f);
  return RoundHalfEven(quotient) >= static_cast<float>(magnitude);
}

// The guess is off by rounding alone, so the loops take one or two steps.
template <FloatFormat kFormat>
uint32_t Lowest(float scale, uint32_t magnitude) {
  const float guess = (static_cast<float>(magnitude) - 0.5f) * scale;
  uint32_t ordinal = NearestOrdinal<kFormat>(guess);
  while (ordinal > 0 && Reaches<kFormat>(ordinal - 1, scale, magnitude)) {
    --ordinal;
  }
  while (ordinal < InfinityOrdinal(kFormat) &&
         !Reaches<kFormat>(ordinal, scale, magnitude)) {
    ++ordinal;
  }
  return ordinal;
}

}  // namespace

bool IsUsableScale(float scale) { return std::isfinite(scale) && scale > 0; }

uint32_t LowestOrdinal(FloatFormat format, float scale, uint32_t magnitude) {
  return VisitFormat(format, [&](auto tag) {
    return Lowest<decltype(tag)::value>(scale, magnitude);
  });
}

void FinishIntervalTable(FloatFormat format, uint32_t end, uint32_t zero_end,
                         uint32_t grid, IntervalTable* table) {
  table->lowest[0] = 0;
  table->threshold[0] = 1;
  table->width[0] = 0;
  table->widths = 0;
  for (uint32_t a = 1; a < 128; ++a) {
    const uint32_t next = a == 127 ? end : table->lowest[a + 1];
    const uint32_t count = std::max(next - table->lowest[a], 1u);
    // floor(log2(count - 1)), and 0 for a count of 1.
    const auto width = static_cast<uint32_t>(
        std::max(static_cast<int>(std::bit_width(count - 1)) - 1, 0));
    table->width[a] = static_cast<uint8_t>(width);
    table->threshold[a] = (2u << width) - count;
    table->widths |= 1u << width;
  }
  table->zero_exponent =
      zero_end == 0 ? 0 : (zero_end - 1) & InfinityOrdinal(format);
  table->grid = grid;
}

void BuildIntervalTable(FloatFormat format, float scale, uint32_t grid,
                        IntervalTable* table) {
  if (!IsUsableScale(scale)) {
    std::fill(std::begin(table->lowest), std::end(table->lowest), 0);
    FinishIntervalTable(format, 0, 0, grid, table);
    return;
  }
  VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    const uint32_t round_up = (1u << grid) - 1;
    const uint32_t zero_end = Lowest<kFormat>(scale, 1);
    table->lowest[1] = (zero_end + round_up) >> grid;
    for (uint32_t a = 2; a < 128; ++a) {
      table->lowest[a] = (Lowest<kFormat>(scale, a) + round_up) >> grid;
    }
    const uint32_t end = (Lowest<kFormat>(scale, 128) + round_up) >> grid;
    FinishIntervalTable(format, end, zero_end, grid, table);
  });
}

}  // namespace qstore::codec
