#include "client/export/compressed_tensors.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "client/export/json_document.h"

namespace qstore::client {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kWeightSuffix[] = ".weight";
constexpr char kScaleSuffix[] = "_scale";
constexpr int kConfigIndent = 2;  // as Transformers writes its JSON

std::string ScaleName(const std::string& weight) {
  return absl::StrCat(weight, kScaleSuffix);
}

absl::StatusOr<std::vector<uint64_t>> ScaleShape(const ExportTensor& tensor) {
  switch (tensor.strategy) {
    case codec::ScaleStrategy::kTensor:
      return std::vector<uint64_t>{1};
    case codec::ScaleStrategy::kChannel:
      return std::vector<uint64_t>{tensor.shape[0], 1};
    case codec::ScaleStrategy::kGroup:
      break;
  }
  if (tensor.group_size == 0 || tensor.shape[1] % tensor.group_size != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "tensor ", Quoted(tensor.name), " has groups of ", tensor.group_size,
        " columns, which do not divide its ", tensor.shape[1],
        ": compressed-tensors cannot hold it; download the original"));
  }
  return std::vector<uint64_t>{tensor.shape[0],
                               tensor.shape[1] / tensor.group_size};
}

uint64_t ElementsOf(const std::vector<uint64_t>& shape) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) count *= extent;
  return count;
}

// A tensor on its way into the new file.
struct Entry {
  TensorEntry tensor;
  size_t original_index;
  bool scale;
};

absl::StatusOr<std::vector<Entry>> ListEntries(
    const SafetensorsHeader& original,
    const std::vector<ExportTensor>& tensors) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const ExportTensor& tensor = tensors[i];
    Entry entry{original.tensors[i], i, /*scale=*/false};
    if (tensor.quantized) entry.tensor.dtype = Dtype::kI8;
    names.insert(tensor.name);
    entries.push_back(std::move(entry));
    if (!tensor.quantized) continue;
    QSTORE_ASSIGN_OR_RETURN(std::vector<uint64_t> shape, ScaleShape(tensor));
    entries.push_back({{.name = ScaleName(tensor.name),
                        .dtype = Dtype::kF32,
                        .shape = std::move(shape),
                        .begin_bytes = 0,
                        .end_bytes = 0},
                       i,
                       /*scale=*/true});
  }
  for (const Entry& entry : entries) {
    if (entry.scale && names.contains(entry.tensor.name)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the model has a tensor ", Quoted(entry.tensor.name),
          " of its own, where compressed-tensors puts scales: download the "
          "original"));
    }
  }
  return entries;
}

class CompressedTensors final : public ExportFormat {
 public:
  absl::StatusOr<ShardLayout> LayOutShard(
      const SafetensorsHeader& original,
      const std::vector<ExportTensor>& tensors) const override {
    QSTORE_ASSIGN_OR_RETURN(std::vector<Entry> entries,
                            ListEntries(original, tensors));
    // Wide elements first, so that all of them are aligned, as in files that
    // the safetensors library writes: torch cannot view them otherwise.
    std::stable_sort(
        entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
          return DtypeBits(a.tensor.dtype) > DtypeBits(b.tensor.dtype);
        });
    SafetensorsHeader header{.metadata = original.metadata, .tensors = {}};
    uint64_t next_bytes = 0;
    for (Entry& entry : entries) {
      entry.tensor.begin_bytes = next_bytes;
      QSTORE_ASSIGN_OR_RETURN(
          const uint64_t size_bytes,
          TensorBytes(entry.tensor.dtype, entry.tensor.shape));
      next_bytes += size_bytes;
      entry.tensor.end_bytes = next_bytes;
      header.tensors.push_back(entry.tensor);
    }
    ShardLayout layout;
    layout.header = WriteSafetensorsHeader(header);
    layout.file_bytes = layout.header.size() + next_bytes;
    layout.places.resize(tensors.size());
    for (const Entry& entry : entries) {
      TensorPlace& place = layout.places[entry.original_index];
      place.quantized = tensors[entry.original_index].quantized;
      (entry.scale ? place.scales_offset_bytes : place.offset_bytes) =
          layout.header.size() + entry.tensor.begin_bytes;
    }
    return layout;
  }

  absl::StatusOr<std::string> RewriteConfig(
      const std::string& config,
      const std::vector<ExportTensor>& tensors) const override;

  absl::StatusOr<std::string> RewriteIndex(
      const std::string& index,
      const std::vector<ExportTensor>& tensors) const override;
};

// Modules that engines would take for quantized, since their class is Linear.
// Embeddings are listed too: their class cannot be told from here, and naming
// them does no harm.
std::vector<std::string> IgnoredModules(
    const std::vector<ExportTensor>& tensors) {
  std::vector<std::string> modules = {"lm_head"};
  for (const ExportTensor& tensor : tensors) {
    if (tensor.quantized || tensor.shape.size() != 2 ||
        !IsQuantizable(tensor.dtype) ||
        !absl::EndsWith(tensor.name, kWeightSuffix)) {
      continue;
    }
    std::string module =
        tensor.name.substr(0, tensor.name.size() - sizeof(kWeightSuffix) + 1);
    if (module != "lm_head") modules.push_back(std::move(module));
  }
  return modules;
}

const char* StrategyName(codec::ScaleStrategy strategy) {
  switch (strategy) {
    case codec::ScaleStrategy::kTensor:
      return "tensor";
    case codec::ScaleStrategy::kChannel:
      return "channel";
    case codec::ScaleStrategy::kGroup:
      return "group";
  }
  return "";
}

absl::StatusOr<std::string> CompressedTensors::RewriteConfig(
    const std::string& config, const std::vector<ExportTensor>& tensors) const {
  QSTORE_ASSIGN_OR_RETURN(ordered_json document,
                          ParseJsonObject<ordered_json>(config));
  if (document.contains("quantization_config")) {
    return absl::FailedPreconditionError(
        "it has a quantization_config already: download the original");
  }
  const ExportTensor* first = nullptr;
  for (const ExportTensor& tensor : tensors) {
    if (!tensor.quantized) continue;
    if (first == nullptr) first = &tensor;
    if (tensor.strategy != first->strategy ||
        tensor.group_size != first->group_size) {
      return absl::FailedPreconditionError(absl::StrCat(
          "tensors ", Quoted(first->name), " and ", Quoted(tensor.name),
          " have scales of different kinds: download the original"));
    }
  }
  if (first == nullptr) return config;
  const bool grouped = first->strategy == codec::ScaleStrategy::kGroup;
  const ordered_json weights = {
      {"num_bits", 8},
      {"type", "int"},
      {"symmetric", true},
      {"strategy", StrategyName(first->strategy)},
      {"dynamic", false},
      {"group_size",
       grouped ? ordered_json(first->group_size) : ordered_json(nullptr)}};
  const ordered_json input_activations = {{"num_bits", 8},
                                          {"type", "int"},
                                          {"symmetric", true},
                                          {"strategy", "token"},
                                          {"dynamic", true}};
  document["quantization_config"] = {
      {"quant_method", "compressed-tensors"},
      {"format", "int-quantized"},
      {"quantization_status", "compressed"},
      {"kv_cache_scheme", nullptr},
      {"global_compression_ratio", nullptr},
      {"ignore", IgnoredModules(tensors)},
      {"config_groups",
       {{"group_0",
         {{"targets", ordered_json::array({"Linear"})},
          {"output_activations", nullptr},
          {"weights", weights},
          {"input_activations", input_activations}}}}}};
  return document.dump(kConfigIndent) + "\n";
}

absl::StatusOr<std::string> CompressedTensors::RewriteIndex(
    const std::string& index, const std::vector<ExportTensor>& tensors) const {
  // Sorted keys, as Transformers writes them.
  QSTORE_ASSIGN_OR_RETURN(json document, ParseJsonObject<json>(index));
  if (!document.contains("weight_map") || !document["weight_map"].is_object()) {
    return absl::FailedPreconditionError("it has no weight_map");
  }
  json& weight_map = document["weight_map"];
  uint64_t total_bytes = 0;
  for (const ExportTensor& tensor : tensors) {
    const auto file = weight_map.find(tensor.name);
    // A shard beside the model that its index does not name.
    if (file == weight_map.end()) continue;
    if (!tensor.quantized) {
      QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes,
                              TensorBytes(tensor.dtype, tensor.shape));
      total_bytes += size_bytes;
      continue;
    }
    QSTORE_ASSIGN_OR_RETURN(const std::vector<uint64_t> scale_shape,
                            ScaleShape(tensor));
    total_bytes +=
        ElementsOf(tensor.shape) + ElementsOf(scale_shape) * sizeof(float);
    weight_map[ScaleName(tensor.name)] = *file;
  }
  if (document.contains("metadata") && document["metadata"].is_object()) {
    document["metadata"]["total_size"] = total_bytes;
  }
  return document.dump(kConfigIndent) + "\n";
}

}  // namespace

const ExportFormat* CompressedTensorsFormat() {
  static const CompressedTensors kFormat;
  return &kFormat;
}

}  // namespace qstore::client
