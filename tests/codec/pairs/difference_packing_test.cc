#include "codec/pairs/difference_packing.h"

#include "gtest/gtest.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

std::vector<int8_t> AllDifferences() {
  std::vector<int8_t> differences;
  for (int i = -128; i < 128; ++i) {
    differences.push_back(static_cast<int8_t>(i));
  }
  return differences;
}

TEST(DifferencePackingTest, PacksAsManyAsFitAByte) {
  const std::pair<uint32_t, uint32_t> per_byte_by_reach[] = {
      {1, 5}, {2, 3}, {3, 2}, {7, 2}, {8, 1}, {127, 1}};
  for (const auto& [reach, per_byte] : per_byte_by_reach) {
    const DifferencePacking packing(reach);
    EXPECT_EQ(packing.per_byte, per_byte) << reach;
    EXPECT_EQ(packing.PackedBytes(11), (11 + per_byte - 1) / per_byte);
  }
  EXPECT_EQ(DifferencePacking(0).PackedBytes(11), 0u);
}

TEST(DifferencePackingTest, EveryReachRoundTrips) {
  const std::vector<int8_t> all = AllDifferences();
  for (uint32_t reach = 1; reach <= kMaxReach; ++reach) {
    const DifferencePacking packing(reach);
    for (size_t count = 0; count < all.size(); ++count) {
      // The last byte is full or not.
      const auto differences = std::span(all).last(count);
      ByteVector packed;
      std::vector<int8_t> unpacked;
      PackDifferences(packing, differences, &packed);
      UnpackDifferences(packing, packed, &unpacked);
      ASSERT_GE(unpacked.size(), count);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(unpacked[i],
                  packing.IsFar(differences[i]) ? 0 : differences[i]);
      }
    }
  }
}

TEST(DifferencePackingTest, TakesAnyBytes) {
  const ByteVector bytes = RandomBytes(4096, 1);
  for (uint32_t reach = 1; reach <= kMaxReach; ++reach) {
    const DifferencePacking packing(reach);
    std::vector<int8_t> unpacked;
    UnpackDifferences(packing, bytes, &unpacked);
    for (size_t i = 0; i < bytes.size() * packing.per_byte; ++i) {
      ASSERT_FALSE(packing.IsFar(unpacked[i]));
    }
  }
}

TEST(DifferencePackingTest, CountsAll) {
  std::vector<int8_t> differences = AllDifferences();
  differences.insert(differences.end(), 7, int8_t{-3});
  const DifferenceHistogram histogram = CountDifferences(differences);
  for (int i = -128; i < 128; ++i) {
    EXPECT_EQ(histogram[static_cast<uint8_t>(i)], i == -3 ? 8u : 1u);
  }
}

DifferenceHistogram Histogram(
    std::initializer_list<std::pair<int, uint64_t>> counts) {
  DifferenceHistogram histogram = {};
  for (const auto& [difference, count] : counts) {
    histogram[static_cast<uint8_t>(difference)] = count;
  }
  return histogram;
}

TEST(DifferencePackingTest, ChoosesTheReachThatCostsLeast) {
  // Rare ones are not worth a digit each; common ones are, if they are common
  // enough to be worth the longer digits.
  EXPECT_EQ(ChooseReach(Histogram({{0, 10000}})).reach, 0u);
  EXPECT_EQ(ChooseReach(Histogram({{0, 10000}, {1, 30}})).reach, 0u);
  EXPECT_EQ(ChooseReach(Histogram({{0, 7600}, {1, 1200}, {-1, 1200}})).reach,
            1u);
  EXPECT_EQ(
      ChooseReach(Histogram({{0, 7600}, {1, 1200}, {-1, 1190}, {2, 10}})).reach,
      1u);
  EXPECT_EQ(ChooseReach(Histogram({{0, 5000}, {1, 1500}, {-2, 3500}})).reach,
            2u);
  EXPECT_EQ(ChooseReach(Histogram({{0, 5000}, {5, 2500}, {-6, 2500}})).reach,
            7u);
  EXPECT_EQ(ChooseReach(Histogram({{0, 100}, {50, 5000}, {-90, 5000}})).reach,
            127u);
}

TEST(DifferencePackingTest, EstimatesTheEntropy) {
  const ReachChoice choice =
      ChooseReach(Histogram({{0, 8000}, {1, 1000}, {-1, 1000}}));
  // 0.8 log2(1 / 0.8) + 0.2 log2(1 / 0.1) = 0.922 bits each.
  EXPECT_NEAR(choice.bits, 9219, 200);
}

}  // namespace
}  // namespace qstore::codec
