#include "client/export/shard_index.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/json_text.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

const ExportTensor* FindTensor(
    const std::map<std::string, std::map<std::string, const ExportTensor*>>&
        files,
    const std::string& path, const std::string& name) {
  const auto file = files.find(path);
  if (file == files.end()) return nullptr;
  const auto tensor = file->second.find(name);
  return tensor == file->second.end() ? nullptr : tensor->second;
}

}  // namespace

absl::StatusOr<std::string> RewriteIndex(const ExportFormat& format,
                                         const std::string& path,
                                         const std::string& index,
                                         const TensorsByFile& files) {
  QSTORE_ASSIGN_OR_RETURN(const Json::Value document,
                          model::ParseJsonObject(index));
  const Json::Value* const weight_map =
      model::FindObject(document, "weight_map");
  if (weight_map == nullptr) {
    return absl::FailedPreconditionError("it has no weight_map");
  }
  std::map<std::string, std::map<std::string, const ExportTensor*>> by_name;
  for (const auto& [file, tensors] : files) {
    for (const ExportTensor& tensor : tensors) {
      by_name[file][tensor.name] = &tensor;
    }
  }
  model::JsonEdits edits(index);
  uint64_t total_bytes = 0;
  bool any_quantized = false;
  for (auto entry = weight_map->begin(); entry != weight_map->end(); ++entry) {
    const std::string shard = entry->isString() ? entry->asString() : "";
    const ExportTensor* const tensor =
        FindTensor(by_name, model::ShardPath(path, shard), entry.name());
    if (tensor == nullptr) continue;
    if (!tensor->quantized) {
      total_bytes += tensor->raw_bytes;
      continue;
    }
    any_quantized = true;
    std::string added;
    for (const ExportedPart& part : format.Parts(*tensor)) {
      total_bytes += part.size_bytes();
      if (part.role != ExportedPart::Role::kCodes) {
        absl::StrAppend(&added, ",\n    ", model::JsonString(part.name), ": ",
                        model::JsonString(shard));
      } else if (part.name != tensor->name) {
        edits.Rename(*entry, part.name);
      }
    }
    edits.AddBehind(*entry, std::move(added));
  }
  if (!any_quantized) return index;
  const Json::Value* const metadata = model::FindObject(document, "metadata");
  if (metadata != nullptr && metadata->isMember("total_size")) {
    edits.Replace((*metadata)["total_size"], absl::StrCat(total_bytes));
  } else if (metadata != nullptr) {
    edits.AddMember(*metadata, "total_size", absl::StrCat(total_bytes));
  }
  return edits.Apply();
}

}  // namespace qstore::client
