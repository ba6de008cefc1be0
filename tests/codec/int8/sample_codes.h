// Codes to test the INT8 coders with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "codec/chunk.h"

namespace qstore::codec {

inline ChunkShape CodesShape(uint32_t rows, uint32_t columns) {
  return {.format = FloatFormat::kBF16, .rows = rows, .columns = columns};
}

inline int8_t ClampedCode(double value) {
  return static_cast<int8_t>(std::clamp(std::rint(value), -128.0, 127.0));
}

// Like a linear layer's: normal, with a deviation for each row and each column
// that differ by about 2^`spread`.
inline std::vector<int8_t> GaussianCodes(const ChunkShape& shape,
                                         double deviation, double spread,
                                         uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> by_column(shape.columns);
  for (double& factor : by_column) {
    factor = std::exp2(spread * normal(random));
  }
  std::vector<int8_t> codes;
  codes.reserve(shape.weight_count());
  for (uint32_t row = 0; row < shape.rows; ++row) {
    const double by_row = deviation * std::exp2(spread * normal(random));
    for (const double factor : by_column) {
      codes.push_back(ClampedCode(by_row * factor * normal(random)));
    }
  }
  return codes;
}

inline std::vector<int8_t> RandomCodes(uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int8_t> codes(count);
  for (int8_t& code : codes) {
    code = static_cast<int8_t>(random());
  }
  return codes;
}

struct NamedCodes {
  std::string name;
  std::vector<int8_t> codes;
};

// Every kind of distribution that a coder might stumble over.
inline std::vector<NamedCodes> OddCodes(uint64_t count) {
  std::vector<NamedCodes> all;
  for (const int value : {0, 1, -1, 63, 64, 127, -127, -128}) {
    all.push_back({"all " + std::to_string(value),
                   std::vector<int8_t>(count, static_cast<int8_t>(value))});
  }
  const auto add = [&](const char* name, auto&& code_at) {
    NamedCodes& added = all.emplace_back();
    added.name = name;
    for (uint64_t i = 0; i < count; ++i) {
      added.codes.push_back(static_cast<int8_t>(code_at(i)));
    }
  };
  std::mt19937_64 random(count);
  add("every value in turn", [](uint64_t i) { return i; });
  add("0 or -1", [&](uint64_t) { return -static_cast<int>(random() % 2); });
  add("the two ends", [&](uint64_t) { return random() % 2 == 0 ? 127 : -128; });
  add("one 127 among zeros", [&](uint64_t i) { return i == 0 ? 127 : 0; });
  add("one -128 at the end",
      [&](uint64_t i) { return i + 1 == count ? -128 : 3; });
  add("sparse", [&](uint64_t) {
    return random() % 10 == 0 ? static_cast<int>(random() % 256) : 0;
  });
  add("multiples of 16", [&](uint64_t) { return random() % 16 * 16; });
  // The opposite of what a prefix code of sorted magnitudes is good at.
  add("the large are frequent", [&](uint64_t) {
    const auto magnitude = 127 - std::min<uint64_t>(random() % 8, 127);
    return random() % 2 == 0 ? static_cast<int>(magnitude)
                             : -static_cast<int>(magnitude);
  });
  add("4 bits", [&](uint64_t) { return static_cast<int>(random() % 16) - 8; });
  add("skewed", [&](uint64_t) {
    return std::min<uint64_t>(
        127,
        static_cast<uint64_t>(std::countr_zero(random() | uint64_t{1} << 63)));
  });
  all.push_back({"any", RandomCodes(count, count + 1)});
  return all;
}

}  // namespace qstore::codec
