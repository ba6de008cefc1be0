#include "benchmarks/entropy_floor.h"

#include <array>
#include <cmath>

#include "codec/chunk_runs.h"
#include "codec/float_bits.h"
#include "codec/grid.h"
#include "codec/interval.h"
#include "codec/kernels/kernels.h"
#include "codec/pairs/nearest_codes.h"

namespace qstore::codec {
namespace {

using Histogram = std::array<uint64_t, 256>;

double EntropyBits(const Histogram& histogram) {
  double total = 0;
  for (const uint64_t count : histogram) {
    total += static_cast<double>(count);
  }
  double bits = 0;
  for (const uint64_t count : histogram) {
    if (count > 0) {
      const auto n = static_cast<double>(count);
      bits += n * std::log2(total / n);
    }
  }
  return bits;
}

// The counts of one tensor.
struct TensorCounts {
  Histogram codes = {};
  Histogram differences = {};
  Histogram zero_exponents = {};  // below that of the interval's end
  // Of ranks, and of the sign and mantissa of weights of code 0.
  double uniform_bits = 0;
};

void CountChunk(const PairChunk& chunk, TensorCounts* counts) {
  const FloatFormat format = chunk.shape.format;
  std::vector<int8_t> nearest(chunk.codes.size());
  FindNearestCodes(BestKernels(), chunk.shape, chunk.weights, chunk.scales,
                   nearest);
  const uint32_t grid = ChooseGrid(format, chunk.weights, nearest);
  IntervalTable table;
  ForEachRun(chunk.shape, [&](size_t scale, uint64_t first, uint64_t count) {
    BestKernels().build_interval_table(format, chunk.scales[scale], grid,
                                       &table);
    std::array<double, 128> rank_bits;
    for (uint32_t a = 0; a < rank_bits.size(); ++a) {
      rank_bits[a] = std::log2(table.Count(a));
    }
    for (uint64_t i = first; i < first + count; ++i) {
      ++counts->codes[static_cast<uint8_t>(chunk.codes[i])];
      ++counts->differences[static_cast<uint8_t>(nearest[i] - chunk.codes[i])];
      const auto magnitude = static_cast<uint32_t>(std::abs(nearest[i])) & 127;
      if (magnitude != 0) {
        counts->uniform_bits += rank_bits[magnitude];
        continue;
      }
      const uint32_t bits = VisitFormat(format, [&](auto tag) {
        return LoadWeight<decltype(tag)::value>(chunk.weights.data(), i);
      });
      const uint32_t deficit =
          (table.zero_exponent - bits) & InfinityOrdinal(format);
      ++counts->zero_exponents[deficit >> MantissaBits(format)];
      counts->uniform_bits += 1 + MantissaBits(format) - grid;
    }
    return absl::OkStatus();
  }).IgnoreError();
}

}  // namespace

EntropyFloor ComputeEntropyFloor(const PairChunks& pairs) {
  EntropyFloor floor;
  for (size_t i = 0; i < pairs.chunks.size();) {
    const size_t tensor = pairs.chunks[i].tensor;
    TensorCounts counts;
    for (; i < pairs.chunks.size() && pairs.chunks[i].tensor == tensor; ++i) {
      CountChunk(pairs.chunks[i], &counts);
    }
    floor.codes += EntropyBits(counts.codes);
    floor.differences += EntropyBits(counts.differences);
    floor.weights += counts.uniform_bits + EntropyBits(counts.zero_exponents);
  }
  const auto weights = static_cast<double>(pairs.weight_count);
  floor.codes /= weights;
  floor.differences /= weights;
  floor.weights /= weights;
  return floor;
}

}  // namespace qstore::codec
