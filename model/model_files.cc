#include "model/model_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/glob.h"
#include "base/text/quote.h"
#include "model/json_text.h"

namespace qstore::model {
namespace {

constexpr auto kDocumentNames = std::to_array<std::string_view>({
    "config.json",
    "adapter_config.json",
    "hf_quant_config.json",
    "quantize_config.json",
    "quant_config.json",
    "quantization_config.json",
    "quantization_map.json",
});

constexpr char kAnotherFormat[] =
    "Transformers does not read this file: it takes model.safetensors or what "
    "its index names";

// As Transformers names what it saves, with or without a variant.
bool IsTransformersName(std::string_view name) {
  return name == "model.safetensors" ||
         GlobMatch("model.*.safetensors", name) ||
         GlobMatch("model-*-of-*.safetensors", name);
}

// Copies in formats of their own, which other programs read.
bool IsForeignName(std::string_view name) {
  return GlobMatch("consolidated*.safetensors", name) ||
         GlobMatch("open_clip*.safetensors", name) ||
         GlobMatch("adapter_*.safetensors", name);
}

}  // namespace

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? ""
                                                     : path.substr(0, slash));
}

std::string FileNameOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path
                                                     : path.substr(slash + 1));
}

std::string PathIn(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

std::string ShardPath(const std::string& index_path, const std::string& shard) {
  return std::filesystem::path(PathIn(DirectoryOf(index_path), shard))
      .lexically_normal()
      .native();
}

bool IsShardIndex(std::string_view path) {
  const std::string name = FileNameOf(path);
  return GlobMatch("*.safetensors*.index*.json", name) ||
         GlobMatch("*.safetensors.index*.json", name);
}

bool IsModelDocument(std::string_view path) {
  const std::string name = FileNameOf(path);
  return IsShardIndex(path) ||
         std::find(kDocumentNames.begin(), kDocumentNames.end(), name) !=
             kDocumentNames.end();
}

absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(
    const std::string& index_path, std::string_view text) {
  QSTORE_ASSIGN_OR_RETURN(const Json::Value document, ParseJsonObject(text));
  const Json::Value* const weight_map = FindObject(document, "weight_map");
  if (weight_map == nullptr) {
    return absl::FailedPreconditionError("it has no weight_map");
  }
  std::map<std::string, std::string> files;
  for (auto entry = weight_map->begin(); entry != weight_map->end(); ++entry) {
    if (!entry->isString()) {
      return absl::FailedPreconditionError(
          absl::StrCat("it gives tensor ", Quoted(entry.name()),
                       " a shard that is no string"));
    }
    files.emplace(entry.name(), ShardPath(index_path, entry->asString()));
  }
  return files;
}

GoverningConfigs::GoverningConfigs(const ModelFiles& files) {
  std::map<std::string, std::set<std::string>> indexed;  // by directory
  for (const auto& [path, text] : files.documents) {
    if (!IsShardIndex(path)) continue;
    const auto weight_map = ReadWeightMap(path, text);
    if (!weight_map.ok()) continue;
    for (const auto& [tensor, file] : *weight_map) {
      indexed[DirectoryOf(path)].insert(file);
    }
  }
  std::set<std::string> with_names;  // directories with files so named
  for (const WeightFile& file : files.weights) {
    const std::string directory = DirectoryOf(file.path);
    if (IsTransformersName(FileNameOf(file.path)) ||
        indexed[directory].contains(file.path)) {
      with_names.insert(directory);
    }
  }
  for (const WeightFile& file : files.weights) {
    const std::string own = DirectoryOf(file.path);
    const std::string name = FileNameOf(file.path);
    Answer answer;
    std::string directory = own;
    bool first = true;
    while (true) {
      const bool named = indexed[directory].contains(file.path);
      if (files.documents.contains(PathIn(directory, "config.json")) &&
          (first || named)) {
        if (named || IsTransformersName(name) ||
            (!with_names.contains(own) && !IsForeignName(name))) {
          answer.directory =
              &directories_.try_emplace(directory, directory).first->second;
        } else {
          answer.reason = kAnotherFormat;
        }
        break;
      }
      if (directory.empty()) break;
      directory = DirectoryOf(directory);
      first = false;
    }
    answers_.emplace(file.path, answer);
  }
}

GoverningConfigs::Answer GoverningConfigs::Of(const std::string& path) const {
  const auto answer = answers_.find(path);
  return answer == answers_.end() ? Answer{} : answer->second;
}

}  // namespace qstore::model
