#include "codec/residual/prefix_lengths.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace qstore::codec {
namespace {

uint32_t LengthOf(const PrefixLengths& cumulative, size_t symbol) {
  uint32_t length = 0;
  while (symbol >= cumulative[length]) {
    ++length;
  }
  return length;
}

uint64_t Cost(const PrefixLengths& cumulative,
              const std::vector<uint64_t>& weights) {
  uint64_t cost = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    cost += weights[i] * LengthOf(cumulative, i);
  }
  return cost;
}

// Complete, and within the limits.
void CheckCode(const PrefixLengths& cumulative, size_t symbols,
               const PrefixLimits& limits) {
  uint64_t space = 0;
  for (size_t i = 0; i < symbols; ++i) {
    const uint32_t length = LengthOf(cumulative, i);
    ASSERT_GE(length, limits.shortest);
    ASSERT_LE(length, limits.longest);
    space += uint64_t{1} << (limits.longest - length);
  }
  ASSERT_EQ(space, uint64_t{1} << limits.longest);
}

uint64_t HuffmanCost(const std::vector<uint64_t>& weights) {
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue(
      std::greater<>(), weights);
  uint64_t cost = 0;
  while (queue.size() > 1) {
    const uint64_t first = queue.top();
    queue.pop();
    const uint64_t sum = first + queue.top();
    queue.pop();
    cost += sum;
    queue.push(sum);
  }
  return cost;
}

// The best code within the limits, by trying every number of leaves at every
// level.
uint64_t BestCost(const std::vector<uint64_t>& weights, uint32_t length,
                  size_t first, size_t nodes, const PrefixLimits& limits) {
  const size_t symbols = weights.size() - first;
  if (nodes > symbols || (nodes == 0 && symbols > 0)) {
    return std::numeric_limits<uint64_t>::max() / 2;
  }
  if (length == limits.longest) {
    return nodes == symbols ? 0 : std::numeric_limits<uint64_t>::max() / 2;
  }
  uint64_t best = symbols == 0 ? 0 : std::numeric_limits<uint64_t>::max() / 2;
  for (size_t leaves = 0; leaves <= nodes && symbols > 0; ++leaves) {
    uint64_t longer = 0;
    for (size_t i = first + leaves; i < weights.size(); ++i) {
      longer += weights[i];
    }
    best = std::min(best, longer + BestCost(weights, length + 1, first + leaves,
                                            2 * (nodes - leaves), limits));
  }
  return best;
}

std::vector<uint64_t> RandomWeights(size_t count, double steepness,
                                    std::mt19937_64* random) {
  std::vector<uint64_t> weights;
  std::exponential_distribution<double> gap(1.0);
  double exponent = 0;
  for (size_t i = 0; i < count; ++i) {
    weights.push_back(1 + static_cast<uint64_t>(1e9 * std::exp2(-exponent)));
    exponent += steepness * gap(*random);
  }
  return weights;
}

TEST(PrefixLengthsTest, AreCompleteAndNearlyAsGoodAsHuffmans) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    const size_t count = 1 + random() % 128;
    const std::vector<uint64_t> weights = RandomWeights(
        count, static_cast<double>(random() % 100) / 1000, &random);
    const PrefixLimits limits = {0, kMaxPrefixBits};
    const PrefixLengths lengths = ChoosePrefixLengths(weights, limits);
    ASSERT_NO_FATAL_FAILURE(CheckCode(lengths, count, limits));
    // Within 1 %: the price is found to about 1 in 256.
    ASSERT_LE(static_cast<double>(Cost(lengths, weights)),
              1.01 * static_cast<double>(HuffmanCost(weights)));
  }
}

TEST(PrefixLengthsTest, KeepLimitsAndAreNearlyTheBestWithin) {
  std::mt19937_64 random(2);
  constexpr int kRounds = 300;
  double ratios = 0;
  for (int round = 0; round < kRounds; ++round) {
    const size_t count = 2 + random() % 11;
    const std::vector<uint64_t> weights = RandomWeights(
        count, static_cast<double>(random() % 1000) / 400, &random);
    PrefixLimits limits;
    while (2u << limits.shortest <= count && random() % 2 == 0) {
      ++limits.shortest;
    }
    limits.longest = limits.shortest;
    while (1u << limits.longest < count || random() % 3 != 0) {
      ++limits.longest;
    }
    limits.longest = std::min(limits.longest, 9u);
    const PrefixLengths lengths = ChoosePrefixLengths(weights, limits);
    ASSERT_NO_FATAL_FAILURE(CheckCode(lengths, count, limits));
    uint64_t all = 0;
    for (const uint64_t weight : weights) {
      all += weight;
    }
    const uint64_t best =
        limits.shortest * all + BestCost(weights, limits.shortest, 0,
                                         size_t{1} << limits.shortest, limits);
    const double ratio =
        static_cast<double>(Cost(lengths, weights)) / static_cast<double>(best);
    // With so few symbols one choice makes much of a difference.
    ASSERT_LE(ratio, 1.2) << round;
    ratios += ratio;
  }
  EXPECT_LE(ratios / kRounds, 1.01);
}

TEST(PrefixLengthsTest, OneSymbolAndEqualSymbols) {
  EXPECT_EQ(LengthOf(ChoosePrefixLengths(std::vector<uint64_t>{7}, {0, 0}), 0),
            0u);
  EXPECT_EQ(LengthOf(ChoosePrefixLengths(std::vector<uint64_t>{7}, {0, 15}), 0),
            0u);
  for (size_t count = 2; count <= 128; ++count) {
    for (const uint64_t weight : {uint64_t{1}, uint64_t{1} << 39}) {
      const std::vector<uint64_t> weights(count, weight);
      const PrefixLengths lengths = ChoosePrefixLengths(weights, {0, 15});
      ASSERT_NO_FATAL_FAILURE(CheckCode(lengths, count, {0, 15}));
      ASSERT_EQ(Cost(lengths, weights), HuffmanCost(weights)) << count;
    }
  }
}

}  // namespace
}  // namespace qstore::codec
