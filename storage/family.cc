#include "storage/family.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/text/quote.h"
#include "codec/layers.h"
#include "storage/records/keys.h"

namespace qstore::storage {

std::vector<Family> AllFamilies() {
  std::vector<Family> families;
  families.reserve(codec::Layers().size());
  for (const codec::Layer* layer : codec::Layers()) {
    families.push_back(FamilyOf(layer->number));
  }
  return families;
}

std::string_view FamilyName(Family family) {
  const codec::Layer* layer =
      codec::FindLayer(static_cast<codec::LayerNumber>(family));
  return layer == nullptr ? std::string_view("unknown") : layer->name;
}

std::string DescribeKey(Family family, std::string_view key) {
  const std::string name(FamilyName(family));
  const std::optional<DataKey> parts = DataKey::Decode(key);
  if (!parts.has_value()) return absl::StrCat(name, ": key ", Quoted(key));
  return absl::StrCat(name, ": object ", parts->object_id, ", chunk ",
                      parts->chunk_index, ", subgroup ",
                      static_cast<int>(parts->subgroup), ", value ",
                      parts->value_index);
}

}  // namespace qstore::storage
