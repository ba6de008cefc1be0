// The families of stored values: key spaces that are read and counted apart.
// Here is everything that depends on which families there are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "qstore/storage/v1/manifest.pb.h"

namespace qstore::storage {

// The numbers are part of no stored byte, but the names are.
enum class Family : uint8_t { kInt8 = 1, kResidual = 2, kPlain = 3 };

// Ascending.
inline constexpr std::array<Family, 3> kAllFamilies = {
    Family::kInt8, Family::kResidual, Family::kPlain};
// Above every number, for arrays by number.
inline constexpr size_t kFamilyBound = 4;

constexpr size_t FamilyIndex(Family family) {
  return static_cast<size_t>(family);
}
std::string_view FamilyName(Family family);

// "int8: object 7, chunk 0, subgroup 0", for messages.
std::string DescribeKey(Family family, std::string_view key);

// A new record of a blob of this family in `chunk`; null when the chunk has all
// that it may have.
v1::Blob* NewBlobRecord(Family family, v1::Chunk* chunk);

}  // namespace qstore::storage
