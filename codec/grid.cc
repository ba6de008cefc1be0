#include "codec/grid.h"

#include <algorithm>
#include <array>
#include <bit>

#include "codec/float_bits.h"

namespace qstore::codec {
namespace {

// What a weight off the grid costs: position and bits.
constexpr uint64_t kExceptionBits = 48;
constexpr size_t kSampledWeights = 4096;

// Weights with a code, by trailing zeros of the ordinal, at most MantissaBits.
using Histogram = std::array<uint64_t, 24>;

template <FloatFormat kFormat>
void Count(const uint8_t* weights, std::span<const int8_t> codes, size_t step,
           Histogram* histogram) {
  for (size_t i = 0; i < codes.size(); i += step) {
    if ((codes[i] & 127) != 0) {
      // The bit at MantissaBits caps the count, which also covers -0.
      const uint32_t capped =
          LoadWeight<kFormat>(weights, i) | 1u << MantissaBits(kFormat);
      ++(*histogram)[static_cast<size_t>(std::countr_zero(capped))];
    }
  }
}

// Weights with a code, and those of them that are not on the grid.
struct GridCount {
  uint64_t total = 0;
  uint64_t exceptions = 0;
};

// A loop that compilers turn into vector code.
template <FloatFormat kFormat>
GridCount CountOnGrid(const uint8_t* weights, std::span<const int8_t> codes,
                      uint32_t grid) {
  constexpr size_t kBlock = 4096;
  using Bits = WeightBits<kFormat>;
  const uint32_t mask = (1u << grid) - 1;
  GridCount count;
  for (size_t at = 0; at < codes.size(); at += kBlock) {
    const size_t end = std::min(codes.size(), at + kBlock);
    Bits total = 0;
    Bits exceptions = 0;
    for (size_t i = at; i < end; ++i) {
      const bool is_off = (LoadWeight<kFormat>(weights, i) & mask) != 0;
      const bool has_code = (codes[i] & 127) != 0;
      total = static_cast<Bits>(total + has_code);
      exceptions = static_cast<Bits>(exceptions + (is_off & has_code));
    }
    count.total += total;
    count.exceptions += exceptions;
  }
  return count;
}

int64_t GainBits(uint32_t grid, uint64_t total, uint64_t exceptions) {
  return static_cast<int64_t>(grid * total) -
         static_cast<int64_t>(kExceptionBits * exceptions);
}

uint32_t CheapestGrid(const Histogram& histogram) {
  uint64_t total = 0;
  for (const uint64_t count : histogram) {
    total += count;
  }
  uint32_t best = 0;
  int64_t best_gain_bits = 0;
  uint64_t exceptions = 0;
  for (uint32_t grid = 1; grid < histogram.size(); ++grid) {
    exceptions += histogram[grid - 1];
    const int64_t gain_bits = GainBits(grid, total, exceptions);
    if (gain_bits > best_gain_bits && exceptions < total) {
      best = grid;
      best_gain_bits = gain_bits;
    }
  }
  return best;
}

}  // namespace

uint32_t ChooseGrid(FloatFormat format, ByteView weights,
                    std::span<const int8_t> codes) {
  return VisitFormat(format, [&](auto tag) {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    // Nearly all chunks fill their format, and a sample shows it. Nearly all
    // others keep to the sample's grid, so well that no finer one is cheaper.
    Histogram sample = {};
    Count<kFormat>(weights.data(), codes,
                   std::max<size_t>(1, codes.size() / kSampledWeights | 1),
                   &sample);
    const uint32_t sampled = CheapestGrid(sample);
    if (sampled == 0) {
      return 0u;
    }
    const GridCount count =
        CountOnGrid<kFormat>(weights.data(), codes, sampled);
    if (sampled <= MantissaBits(kFormat) &&
        GainBits(sampled, count.total, count.exceptions) >=
            GainBits(sampled - 1, count.total, 0)) {
      return sampled;
    }
    Histogram all = {};
    Count<kFormat>(weights.data(), codes, 1, &all);
    return std::min(CheapestGrid(all), MantissaBits(kFormat));
  });
}

}  // namespace qstore::codec
