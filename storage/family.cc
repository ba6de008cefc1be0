#include "storage/family.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "storage/records/keys.h"

namespace qstore::storage {

std::string_view FamilyName(Family family) {
  switch (family) {
    case Family::kInt8:
      return "int8";
    case Family::kResidual:
      return "residual";
    case Family::kPlain:
      return "plain";
  }
  return "unknown";
}

std::string DescribeKey(Family family, std::string_view key) {
  const std::string name(FamilyName(family));
  const std::optional<DataKey> parts = DataKey::Decode(key);
  if (!parts.has_value()) return absl::StrCat(name, ": key ", Quoted(key));
  return absl::StrCat(name, ": object ", parts->object_id, ", chunk ",
                      parts->chunk_index, ", subgroup ",
                      static_cast<int>(parts->subgroup));
}

v1::Blob* NewBlobRecord(Family family, v1::Chunk* chunk) {
  switch (family) {
    case Family::kInt8:
      return chunk->has_int8() ? nullptr : chunk->mutable_int8();
    case Family::kResidual:
      return chunk->add_residual();
    case Family::kPlain:
      return chunk->has_plain() ? nullptr : chunk->mutable_plain();
  }
  return nullptr;
}

}  // namespace qstore::storage
