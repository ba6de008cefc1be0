#include "storage/engine.h"

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "storage/keys.h"

namespace qstore::storage {

std::string_view FamilyName(Family family) {
  switch (family) {
    case Family::kManifest:
      return "manifest";
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
  const auto parts =
      family == Family::kManifest ? std::nullopt : DataKey::Decode(key);
  if (!parts.has_value()) return absl::StrCat(name, ": key ", Quoted(key));
  return absl::StrCat(name, ": object ", parts->object_id, ", chunk ",
                      parts->chunk_index, ", subgroup ",
                      static_cast<int>(parts->subgroup));
}

}  // namespace qstore::storage
