#include "codec/int8/code_entropy.h"

#include <cmath>

#include "codec/fixed_log2.h"
#include "gtest/gtest.h"
#include "tests/codec/int8/sample_codes.h"

namespace qstore::codec {
namespace {

TEST(FixedLog2Test, IsNearTheLogarithm) {
  constexpr double kOne = 1 << kLog2FractionBits;
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(FixedLog2(uint64_t{1} << i), i << kLog2FractionBits);
  }
  for (uint64_t x = 1; x < uint64_t{1} << 62; x += 1 + x / 50) {
    EXPECT_NEAR(static_cast<double>(FixedLog2(x)) / kOne,
                std::log2(static_cast<double>(x)), 0.01)
        << x;
  }
}

TEST(CodeEntropyTest, OfKnownDistributions) {
  EXPECT_EQ(EstimateEntropyBits({}), 0u);
  EXPECT_EQ(EstimateEntropyBits(std::vector<int8_t>(1000, 5)), 0u);
  const std::vector<int8_t> two = {1, 2, 1, 2, 2, 1, 1, 2};
  EXPECT_EQ(EstimateEntropyBits(two), 8u);
  for (const uint64_t count : {uint64_t{20000}, uint64_t{1} << 20}) {
    const auto bits = static_cast<double>(count);
    EXPECT_NEAR(
        static_cast<double>(EstimateEntropyBits(RandomCodes(count, count))),
        8 * bits, 0.1 * bits);
    // log2(deviation * sqrt(2 * pi * e))
    const ChunkShape shape = CodesShape(1, static_cast<uint32_t>(count));
    EXPECT_NEAR(static_cast<double>(
                    EstimateEntropyBits(GaussianCodes(shape, 20, 0, 1))),
                (std::log2(20) + 2.047) * bits, 0.05 * bits);
  }
}

}  // namespace
}  // namespace qstore::codec
