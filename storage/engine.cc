#include "storage/engine.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "storage/records/keys.h"

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
                      static_cast<int>(parts->subgroup), ", value ",
                      parts->value_index);
}

std::vector<const WriteBatch::Operation*> LastOperations(
    const WriteBatch& batch) {
  std::map<std::pair<Family, std::string_view>, const WriteBatch::Operation*>
      last;
  for (const WriteBatch::Operation& operation : batch.operations()) {
    last[{operation.family, operation.key}] = &operation;
  }
  std::vector<const WriteBatch::Operation*> operations;
  operations.reserve(last.size());
  for (const auto& [key, operation] : last) operations.push_back(operation);
  return operations;
}

absl::Status Engine::Checkpoint(const std::filesystem::path& /*directory*/) {
  return absl::UnimplementedError(
      "this storage engine keeps no files that could be copied; start qstored "
      "with --engine rocksdb");
}

}  // namespace qstore::storage
