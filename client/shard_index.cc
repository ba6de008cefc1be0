#include "client/shard_index.h"

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "nlohmann/json.hpp"

namespace qstore::client {

absl::StatusOr<std::set<std::string>> ShardsNamedIn(const std::string& index) {
  const auto document = nlohmann::json::parse(index, nullptr,
                                              /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return absl::InvalidArgumentError("is not a JSON object");
  }
  const auto weight_map = document.find("weight_map");
  if (weight_map == document.end() || !weight_map->is_object()) {
    return absl::InvalidArgumentError("has no weight_map");
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "gives tensor ", Quoted(tensor), " a shard that is no string"));
    }
    shards.insert(shard.get<std::string>());
  }
  return shards;
}

}  // namespace qstore::client
