#include "codec/int8/sliced_model.h"

#include <algorithm>
#include <cmath>

#include "codec/fixed_log2.h"
#include "codec/residual/prefix_lengths.h"

namespace qstore::codec {
namespace {

// Rows and columns shorter than this have no classes.
constexpr uint32_t kMinForClasses = 32;
// Sums of this many magnitudes are below 2^16.
constexpr uint32_t kRowsPerPartialSum = 512;

// The logarithms of the mean magnitudes of rows, or of columns.
struct Spread {
  double mean = 0;
  double deviation = 0;
  double saved_bits = 0;  // by giving them classes
};

// For rows, or columns, of `length` weights each; `sums` become logarithms.
Spread MeasureSpread(uint32_t length, std::vector<uint32_t>* sums) {
  const auto count = static_cast<int64_t>(sums->size());
  int64_t total = 0;
  for (uint32_t& sum : *sums) {
    // Magnitudes lie half above their number; this never is 0.
    sum = static_cast<uint32_t>(FixedLog2(uint64_t{2} * sum + length));
    total += sum;
  }
  const int64_t mean = total / count;
  int64_t squares = 0;
  for (const uint32_t logarithm : *sums) {
    const int64_t difference = int64_t{logarithm} - mean;
    squares += difference * difference;
  }
  const auto counted = static_cast<double>(count);
  constexpr double kOne = int64_t{1} << (2 * kLog2FractionBits);
  const double variance = static_cast<double>(squares) / kOne / counted;
  Spread spread;
  spread.mean = static_cast<double>(mean);
  spread.deviation = std::sqrt(variance) * (1 << kLog2FractionBits);
  // A Gaussian coded with a width that is d powers of 2 off costs 0.69 d^2
  // bits. What `length` weights seem to differ by chance is not saved.
  spread.saved_bits = counted * (0.69 * (variance * length - 1.19) - 4.0);
  return spread;
}

// Classes 0..last, `step` apart, with the mean in the middle.
void Classify(const std::vector<uint32_t>& logarithms, double mean, double step,
              int last, std::vector<uint8_t>* classes) {
  classes->clear();
  const double first = mean - step * 0.5 * last;
  for (const uint32_t logarithm : logarithms) {
    const double steps = (logarithm - first) / step + 0.5;
    classes->push_back(
        static_cast<uint8_t>(std::clamp(steps, 0.0, last + 0.0)));
  }
}

// Every weight of a small chunk is counted, and of a large one some batches
// that are spread well enough.
bool IsCounted(uint64_t batch, uint64_t batches) {
  constexpr uint64_t kEnoughBatches = 128;
  const auto spread = static_cast<uint32_t>(batch * 0x9E3779B1);
  return (spread * batches) >> 32 < kEnoughBatches;
}

// Makes weights that never increase of counts, by averaging what is out of
// order. All of them are at least 1.
void SortWeights(std::span<const uint64_t> counts, uint64_t* weights) {
  struct Run {
    uint64_t sum;
    uint64_t length;
  };
  std::array<Run, kSlicedMagnitudes> runs;
  size_t size = 0;
  for (const uint64_t count : counts) {
    runs[size++] = {16 * count + 1, 1};
    while (size > 1 && runs[size - 2].sum * runs[size - 1].length <
                           runs[size - 1].sum * runs[size - 2].length) {
      runs[size - 2].sum += runs[size - 1].sum;
      runs[size - 2].length += runs[size - 1].length;
      --size;
    }
  }
  for (size_t i = 0; i < size; ++i) {
    weights =
        std::fill_n(weights, runs[i].length, runs[i].sum / runs[i].length);
  }
}

}  // namespace

void SlicedModel::FindLargest(std::span<const int8_t> codes) {
  partial_sums_.assign(kSlicedBatch, 0);
  uint8_t largest = 0;
  for (size_t first = 0; first < codes.size(); first += kSlicedBatch) {
    const size_t count = std::min(kSlicedBatch, codes.size() - first);
    largest = std::max(largest, BestSlicedKernels()
                                    .add_magnitudes(codes.data() + first, count,
                                                    partial_sums_.data())
                                    .largest);
  }
  magnitudes_ = largest + 1u;
}

void SlicedModel::SumRowsAndColumns(const ChunkShape& shape,
                                    std::span<const int8_t> codes) {
  const SlicedKernels& kernels = BestSlicedKernels();
  row_sums_.resize(shape.rows);
  column_sums_.assign(shape.columns, 0);
  partial_sums_.assign(shape.columns, 0);
  uint8_t largest = 0;
  for (uint32_t row = 0; row < shape.rows; ++row) {
    const Magnitudes magnitudes =
        kernels.add_magnitudes(codes.data() + size_t{row} * shape.columns,
                               shape.columns, partial_sums_.data());
    row_sums_[row] = magnitudes.sum;
    largest = std::max(largest, magnitudes.largest);
    if ((row + 1) % kRowsPerPartialSum == 0 || row + 1 == shape.rows) {
      for (uint32_t column = 0; column < shape.columns; ++column) {
        column_sums_[column] += partial_sums_[column];
        partial_sums_[column] = 0;
      }
    }
  }
  magnitudes_ = largest + 1u;
}

void SlicedModel::ChooseClasses(const ChunkShape& shape) {
  Spread rows = MeasureSpread(shape.columns, &row_sums_);
  Spread columns = MeasureSpread(shape.rows, &column_sums_);
  for (Spread* spread : {&rows, &columns}) {
    if (spread->saved_bits <= 0) {
      *spread = Spread();
    }
  }
  // The tables themselves.
  constexpr double kTablesBits = 1200;
  if (rows.saved_bits + columns.saved_bits < kTablesBits) {
    return;
  }
  // Sums of classes do not wrap: rows and columns share the tables by how far
  // they spread.
  constexpr int kSteps = kSlicedTables - 1;
  constexpr double kWidestSpread = 5.2;  // deviations, from end to end
  const double deviation = rows.deviation + columns.deviation;
  const double step = kWidestSpread * deviation / kSteps;
  const auto row_steps =
      static_cast<int>(std::lround(kSteps * rows.deviation / deviation));
  if (rows.saved_bits > 0) {
    Classify(row_sums_, rows.mean, step, row_steps, &classes_.rows);
  }
  if (columns.saved_bits > 0) {
    Classify(column_sums_, columns.mean, step, kSteps - row_steps,
             &classes_.columns);
  }
  table_count_ = kSlicedTables;
}

void SlicedModel::CountMagnitudes(const ChunkShape& shape,
                                  std::span<const int8_t> codes) {
  // Two of each, since equal ones in a row would wait for each other.
  uint32_t counts[2][kSlicedTables * kSlicedMagnitudes] = {};
  const uint64_t batches = (codes.size() + kSlicedBatch - 1) / kSlicedBatch;
  uint8_t table_of[kSlicedBatch];
  uint16_t slots[kSlicedBatch];
  for (uint64_t batch = 0; batch < batches; ++batch) {
    if (!IsCounted(batch, batches)) {
      continue;
    }
    const uint64_t first = batch * kSlicedBatch;
    const uint64_t count = std::min(kSlicedBatch, codes.size() - first);
    classes_.FillTables(shape, first, count, table_of);
    const int8_t* batch_codes = codes.data() + first;
    for (uint64_t i = 0; i < count; ++i) {
      const auto magnitude =
          static_cast<uint8_t>(batch_codes[i] ^ (batch_codes[i] >> 7));
      slots[i] =
          static_cast<uint16_t>(table_of[i] * kSlicedMagnitudes + magnitude);
    }
    uint64_t i = 0;
    for (; i + 2 <= count; i += 2) {
      ++counts[0][slots[i]];
      ++counts[1][slots[i + 1]];
    }
    if (i < count) {
      ++counts[0][slots[i]];
    }
  }
  for (uint32_t table = 0; table < table_count_; ++table) {
    for (uint32_t i = 0; i < kSlicedMagnitudes; ++i) {
      const uint32_t slot = table * kSlicedMagnitudes + i;
      counts_[table][i] = uint64_t{counts[0][slot]} + counts[1][slot];
    }
  }
}

void SlicedModel::SmoothCounts() {
  if (table_count_ == 1) {
    return;
  }
  // What neighbours say, for the tables that few weights use.
  Counts smooth = counts_;
  for (uint32_t table = 0; table < table_count_; ++table) {
    for (uint32_t i = 0; i < kSlicedMagnitudes; ++i) {
      smooth[table][i] *= 16;
      if (table > 0) {
        smooth[table][i] += counts_[table - 1][i];
      }
      if (table + 1 < table_count_) {
        smooth[table][i] += counts_[table + 1][i];
      }
    }
  }
  counts_ = smooth;
}

void SlicedModel::ChooseTables() {
  uint64_t weights[kSlicedTables][kSlicedMagnitudes];
  // Of codes by length, without limits.
  std::array<uint64_t, kMaxPrefixBits + 1> codes_of_length = {};
  uint64_t code_count = 0;
  for (uint32_t table = 0; table < table_count_; ++table) {
    const std::span counts = std::span(counts_[table]).first(magnitudes_);
    SortWeights(counts, weights[table]);
    const PrefixLengths lengths = ChoosePrefixLengths(
        std::span(weights[table]).first(magnitudes_), {0, kMaxPrefixBits});
    uint32_t length = 0;
    for (uint32_t i = 0; i < magnitudes_; ++i) {
      while (i >= lengths[length]) {
        ++length;
      }
      codes_of_length[length] += counts[i];
      code_count += counts[i];
    }
  }
  // Each level costs time, so a few codes get another length than they should.
  PrefixLimits limits;
  uint64_t shorter = 0;
  while (limits.shortest < kMaxShortestBits &&
         2u << limits.shortest <= magnitudes_ &&
         (shorter + codes_of_length[limits.shortest]) * 25 <= code_count) {
    shorter += codes_of_length[limits.shortest++];
  }
  constexpr uint32_t kMostLevels = 8;
  limits.longest = kMaxPrefixBits;
  uint64_t longer = 0;
  while (limits.longest > limits.shortest &&
         1u << (limits.longest - 1) >= magnitudes_ &&
         (limits.longest > limits.shortest + kMostLevels ||
          (longer + codes_of_length[limits.longest]) * 400 <= code_count)) {
    longer += codes_of_length[limits.longest--];
  }
  tables_.shortest_bits = limits.shortest;
  tables_.level_count = limits.longest - limits.shortest;
  uint64_t left = code_count - shorter;
  for (uint32_t level = 0; level < tables_.level_count; ++level) {
    left -= codes_of_length[limits.shortest + level];
    tables_.busy_levels += left * kBusyOneIn >= code_count ? 1 : 0;
  }
  for (uint32_t table = 0; table < table_count_; ++table) {
    const PrefixLengths lengths = ChoosePrefixLengths(
        std::span(weights[table]).first(magnitudes_), limits);
    uint32_t length = limits.shortest;
    for (auto& level_bounds : tables_.bounds) {
      if (length < limits.longest) {
        level_bounds[table] = static_cast<uint8_t>(lengths[length++]);
      }
    }
  }
}

void SlicedModel::Choose(const ChunkShape& shape,
                         std::span<const int8_t> codes) {
  tables_ = SlicedTables();
  table_count_ = 1;
  classes_.rows.clear();
  classes_.columns.clear();
  if (shape.rows < kMinForClasses || shape.columns < kMinForClasses) {
    FindLargest(codes);
  } else {
    SumRowsAndColumns(shape, codes);
    ChooseClasses(shape);
  }
  CountMagnitudes(shape, codes);
  SmoothCounts();
  ChooseTables();
}

}  // namespace qstore::codec
