#include "model/quantization/directory_rules.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "base/text/glob.h"
#include "model/dtype.h"
#include "model/json_text.h"

namespace qstore::model {
namespace {

// Documents that are there only beside quantized weights.
constexpr auto kQuantizedDocuments = std::to_array<const char*>({
    "hf_quant_config.json",      // ModelOpt
    "quantize_config.json",      // AutoGPTQ
    "quant_config.json",         // AWQ
    "quantization_config.json",  // several
    "quantization_map.json",     // quanto
});

// Members of a config that say so: compressed-tensors before 2024 and MLX have
// their own words.
constexpr auto kQuantizedMembers = std::to_array<const char*>(
    {"quantization_config", "compression_config", "quantization"});

// Tensors that stand beside quantized weights and nowhere else.
constexpr auto kScales = std::to_array<std::string_view>({
    "*.weight_scale",
    "*.weight_scales",
    "*.w_scale",
    "*.W_q",
    "*.weight_scale_inv",
    "*.weight_scale_2",
    "*.weight_packed",
    "*.qweight",
    "*.qzeros",
    "*.weight_format",
    "*.SCB",
    "*.weight.absmax",
    "*.weight.quant_map",
    "*._weight_qdata",
    "*.weight._data",
    "*.scale_weight",
    "scale_weight",
    "*.comfy_quant",
    "*_proj_scales",
});

// Codes of some kind, unless it is something else that is called so.
bool MayBeCodes(const TensorEntry& tensor) {
  if (tensor.shape.size() != 2 || !tensor.name.ends_with(".weight")) {
    return false;
  }
  switch (tensor.dtype) {
    case Dtype::kI8:
    case Dtype::kU8:
    case Dtype::kI32:
    case Dtype::kU32:
    case Dtype::kF8E4M3:
    case Dtype::kF8E5M2:
    case Dtype::kF8E4M3Fnuz:
    case Dtype::kF8E5M2Fnuz:
      return true;
    default:
      return false;
  }
}

std::string FindQuantizedTensor(const std::vector<const WeightFile*>& weights) {
  std::set<std::string_view> names;
  for (const WeightFile* file : weights) {
    for (const TensorEntry& tensor : file->tensors) names.insert(tensor.name);
  }
  for (const std::string_view name : names) {
    for (const std::string_view pattern : kScales) {
      if (GlobMatch(pattern, name)) return std::string(name);
    }
  }
  for (const WeightFile* file : weights) {
    for (const TensorEntry& tensor : file->tensors) {
      if (!MayBeCodes(tensor)) continue;
      // MLX, GPTQ and DeepSeek put plain words beside their codes.
      const std::string module =
          tensor.name.substr(0, tensor.name.size() - sizeof("weight") + 1);
      if (names.contains(module + "scales") ||
          names.contains(module + "scale")) {
        return tensor.name;
      }
    }
  }
  return "";
}

// Transformers cannot load them with any quantization_config of this kind, as
// scripts/test-engines.sh shows: Llama 4's experts would have to be split and
// transposed; the loader fails on DINOv2's arguments; joining the convolutions
// of q, k and v finds none beside INT8.
constexpr auto kUnreadableTypes = std::to_array<std::string_view>({
    "llama4",
    "llama4_text",
    "dinov2",
    "dinov2_with_registers",
    "olmo_hybrid",
    "bailing_hybrid",
    "kimi_linear",
    "glm5_next",
    "glm5_next_text",
});

bool HasUnreadableType(const Json::Value& config) {
  if (!config.isObject()) return false;
  const std::string type = FindString(config, "model_type");
  return std::find(kUnreadableTypes.begin(), kUnreadableTypes.end(), type) !=
             kUnreadableTypes.end() ||
         std::any_of(config.begin(), config.end(), HasUnreadableType);
}

bool IsAdapterDirectory(const DirectoryFacts& facts) {
  return facts.has_adapter_config;
}
bool HasNoConfig(const DirectoryFacts& facts) { return !facts.has_config; }
bool HasUnreadableConfig(const DirectoryFacts& facts) {
  return !facts.config_problem.empty();
}
bool IsDiffusers(const DirectoryFacts& facts) {
  return facts.config.isMember("_class_name");
}
bool IsTimm(const DirectoryFacts& facts) {
  return facts.config.isMember("pretrained_cfg") ||
         FindString(facts.config, "model_type") == "timm_wrapper";
}
bool HasNoModelType(const DirectoryFacts& facts) {
  return FindString(facts.config, "model_type").empty();
}
bool IsUnreadable(const DirectoryFacts& facts) {
  return HasUnreadableType(facts.config);
}
bool IsQuantizedByDocument(const DirectoryFacts& facts) {
  return !facts.quantized_by.empty();
}
bool IsQuantizedByTensor(const DirectoryFacts& facts) {
  return !facts.quantized_tensor.empty();
}

constexpr auto kDirectoryRules = std::to_array<DirectoryRule>({
    {"quantized", "its documents say that its weights are quantized already",
     IsQuantizedByDocument, true},
    {"scales",
     "its weights are quantized already: scales or packed integers stand "
     "beside "
     "them",
     IsQuantizedByTensor, true},
    {"adapter",
     "adapter_config.json says that it is an adapter, which is added to floats",
     IsAdapterDirectory, false},
    {"no-config", "no config.json beside it says what reads it", HasNoConfig,
     false},
    {"unreadable-config", "its config.json cannot be read as JSON in UTF-8",
     HasUnreadableConfig, false},
    {"diffusers",
     "its config.json is diffusers', which does not read INT8 of this kind",
     IsDiffusers, false},
    {"timm", "its config.json is timm's, which does not read INT8", IsTimm,
     false},
    {"no-model-type",
     "its config.json has no model_type: it is not Transformers'",
     HasNoModelType, false},
    {"model-type",
     "no version of Transformers loads models of this type in INT8",
     IsUnreadable, false},
});

}  // namespace

bool SaysQuantized(const Json::Value& config) {
  if (config.isArray()) {
    return std::any_of(config.begin(), config.end(), SaysQuantized);
  }
  if (!config.isObject()) return false;
  for (const char* member : kQuantizedMembers) {
    if (FindObject(config, member) != nullptr) return true;
  }
  return std::any_of(config.begin(), config.end(), SaysQuantized);
}

DirectoryFacts ReadDirectory(const ModelFiles& files,
                             const std::string& directory,
                             const std::vector<const WeightFile*>& weights) {
  DirectoryFacts facts;
  const auto has = [&](const char* name) {
    return files.documents.contains(PathIn(directory, name));
  };
  facts.has_adapter_config = has("adapter_config.json");
  const auto config = files.documents.find(PathIn(directory, "config.json"));
  if (config != files.documents.end()) {
    facts.has_config = true;
    absl::StatusOr<Json::Value> document = ParseJsonObject(config->second);
    if (document.ok()) {
      facts.config = *std::move(document);
      if (SaysQuantized(facts.config)) facts.quantized_by = config->first;
    } else {
      facts.config_problem = std::string(document.status().message());
      // It may say that the weights are quantized all the same.
      if (absl::StrContains(config->second, "\"quantization_config\"")) {
        facts.quantized_by = config->first;
      }
    }
  }
  for (const char* name : kQuantizedDocuments) {
    if (has(name)) facts.quantized_by = PathIn(directory, name);
  }
  facts.quantized_tensor = FindQuantizedTensor(weights);
  return facts;
}

std::span<const DirectoryRule> DirectoryRules() { return kDirectoryRules; }

const DirectoryRule* FindDirectoryRule(const DirectoryFacts& facts, bool ask) {
  for (const DirectoryRule& rule : kDirectoryRules) {
    if ((rule.always || !ask) && rule.leaves(facts)) return &rule;
  }
  return nullptr;
}

}  // namespace qstore::model
