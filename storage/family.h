// Key spaces of stored values, which are read and counted apart: one for each
// layer of codec/layers.h, under its number and name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/layer.h"

namespace qstore::storage {

// The layer's number; never codec::kNoLayer.
enum class Family : uint8_t {};

// Above every number, for arrays by number.
inline constexpr size_t kFamilyBound = 256;

constexpr Family FamilyOf(codec::LayerNumber layer) {
  return static_cast<Family>(layer);
}
constexpr size_t FamilyIndex(Family family) {
  return static_cast<size_t>(family);
}

// In the order of the table of layers.
std::vector<Family> AllFamilies();

// The layer's name, which is also that of the key space on disk.
std::string_view FamilyName(Family family);

// "int8: object 7, chunk 0, subgroup 0, value 0", for messages.
std::string DescribeKey(Family family, std::string_view key);

}  // namespace qstore::storage
