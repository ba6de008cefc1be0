#include "codec/interval.h"

#include <cmath>
#include <cstring>

#include "codec/kernels/kernels.h"
#include "gtest/gtest.h"
#include "tests/codec/kernels/each_kernels.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

// The definition: rint(value / scale) >= magnitude, with the C library's rint.
bool Reaches(FloatFormat format, uint32_t ordinal, float scale,
             uint32_t magnitude) {
  const float value = VisitFormat(
      format, [&](auto tag) { return ToFloat<decltype(tag)::value>(ordinal); });
  return std::rint(value / scale) >= static_cast<float>(magnitude);
}

// By bisection, which needs nothing but that the definition is monotone.
uint32_t BisectLowest(FloatFormat format, float scale, uint32_t magnitude) {
  uint32_t low = 0;
  uint32_t high = InfinityOrdinal(format);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (Reaches(format, middle, scale, magnitude)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

std::vector<float> ManyScales(size_t random_count) {
  std::vector<float> scales = EdgeScales();
  std::mt19937_64 random(7);
  while (scales.size() < EdgeScales().size() + random_count) {
    const auto scale =
        std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x7FFFFFFF);
    if (IsUsableScale(scale)) {
      scales.push_back(scale);
    }
  }
  return scales;
}

TEST(IntervalTest, LowestOrdinalIsWhatBisectionFinds) {
  for (const FloatFormat format : kAllFormats) {
    for (const float scale : ManyScales(40)) {
      for (uint32_t a = 1; a <= 128; ++a) {
        ASSERT_EQ(LowestOrdinal(format, scale, a),
                  BisectLowest(format, scale, a))
            << static_cast<int>(format) << " scale " << scale << " magnitude "
            << a;
      }
    }
  }
}

// Every finite 16-bit value lies in the interval of its code and in no other.
TEST(IntervalTest, PartitionsAll16BitValues) {
  for (const FloatFormat format : {FloatFormat::kF16, FloatFormat::kBF16}) {
    for (const float scale : EdgeScales()) {
      uint32_t magnitude = 0;
      uint32_t next = LowestOrdinal(format, scale, 1);
      for (uint32_t ordinal = 0; ordinal < InfinityOrdinal(format); ++ordinal) {
        while (magnitude < 128 && ordinal >= next) {
          ++magnitude;
          next = magnitude == 128 ? ~0u
                                  : LowestOrdinal(format, scale, magnitude + 1);
        }
        const float value = VisitFormat(format, [&](auto tag) {
          return ToFloat<decltype(tag)::value>(ordinal);
        });
        ASSERT_EQ(std::min(std::rint(value / scale), 128.0f),
                  static_cast<float>(magnitude))
            << static_cast<int>(format) << " scale " << scale << " ordinal "
            << ordinal;
      }
    }
  }
}

TEST(IntervalTest, WidthsAreWithinTheFormatsBounds) {
  IntervalTable table;
  for (const FloatFormat format : kAllFormats) {
    for (const float scale : ManyScales(2000)) {
      BuildIntervalTable(format, scale, 0, &table);
      for (uint32_t a = 1; a < 128; ++a) {
        ASSERT_LE(table.width[a], MantissaBits(format));
        ASSERT_LT(table.threshold[a], 1u << table.width[a] | 2u);
        ASSERT_GE(table.Count(a), 1u);
      }
    }
  }
}

TEST(IntervalTest, GridBoundariesAreRoundedUp) {
  IntervalTable fine;
  IntervalTable coarse;
  BuildIntervalTable(FloatFormat::kF16, 0.01f, 0, &fine);
  BuildIntervalTable(FloatFormat::kF16, 0.01f, 3, &coarse);
  for (uint32_t a = 1; a < 128; ++a) {
    EXPECT_EQ(coarse.lowest[a], (fine.lowest[a] + 7) / 8);
  }
  EXPECT_EQ(coarse.zero_exponent, fine.zero_exponent);
}

TEST(IntervalTest, UnusableScalesHaveIntervalsOfOneOrdinal) {
  IntervalTable table;
  for (const float scale : AbsurdScales()) {
    EXPECT_FALSE(IsUsableScale(scale));
    BuildIntervalTable(FloatFormat::kBF16, scale, 0, &table);
    for (uint32_t a = 1; a < 128; ++a) {
      EXPECT_EQ(table.lowest[a], 0u);
      EXPECT_EQ(table.Count(a), 1u);
    }
    EXPECT_EQ(table.zero_exponent, 0u);
  }
}

bool SameTables(const IntervalTable& a, const IntervalTable& b) {
  return std::memcmp(a.lowest, b.lowest, sizeof(a.lowest)) == 0 &&
         std::memcmp(a.threshold, b.threshold, sizeof(a.threshold)) == 0 &&
         std::memcmp(a.width, b.width, sizeof(a.width)) == 0 &&
         a.widths == b.widths && a.zero_exponent == b.zero_exponent &&
         a.grid == b.grid;
}

TEST(IntervalTest, VectorTablesEqualTheReference) {
  std::vector<float> scales = ManyScales(3000);
  for (const float scale : AbsurdScales()) {
    scales.push_back(scale);
  }
  ForEachKernels([&] {
    IntervalTable expected;
    IntervalTable built;
    for (const FloatFormat format : kAllFormats) {
      for (const float scale : scales) {
        const uint32_t grid =
            std::bit_cast<uint32_t>(scale) % (MantissaBits(format) + 1);
        BuildIntervalTable(format, scale, grid, &expected);
        BestKernels().build_interval_table(format, scale, grid, &built);
        ASSERT_TRUE(SameTables(expected, built))
            << static_cast<int>(format) << " scale " << scale << " grid "
            << grid;
      }
    }
  });
}

}  // namespace
}  // namespace qstore::codec
