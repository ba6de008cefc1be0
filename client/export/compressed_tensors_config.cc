#include "client/export/compressed_tensors_config.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/export/ignored_modules.h"
#include "model/json_text.h"
#include "model/quantization/directory_rules.h"

namespace qstore::client {
namespace {

using nlohmann::ordered_json;

constexpr int kIndent = 2;  // as Transformers writes its JSON
constexpr char kKey[] = "quantization_config";

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

// A group that fits no module. Transformers 5 keeps the experts of a layer as
// one tensor and joins their matrices while it loads; by the group whose
// expression has "experts" in it, it decides how to turn codes into floats, and
// of its ways only the one for eight bits of type "float" is code times scale.
// Other engines see a group without modules. scripts/test-engines.sh would show
// when that changes.
ordered_json ExpertsGroup() {
  return {
      {"targets", ordered_json::array({"re:^no_module_of_this_name_experts$"})},
      {"output_activations", nullptr},
      {"weights",
       {{"num_bits", 8},
        {"type", "float"},
        {"symmetric", true},
        {"strategy", "channel"},
        {"dynamic", false}}},
      {"input_activations", nullptr}};
}

// Transformers 5 looks up every tensor called weight among the parameters when
// it is to multiply codes out while it loads, and fails on buffers: those of
// frozen batch norms, and lists of weights of other kinds.
bool MayHoldWeightBuffers(const std::vector<const ExportTensor*>& tensors) {
  std::set<std::string> names;
  for (const ExportTensor* tensor : tensors) names.insert(tensor->name);
  return std::any_of(
      tensors.begin(), tensors.end(), [&](const ExportTensor* tensor) {
        const std::string& name = tensor->name;
        if (name.ends_with(".running_mean")) {
          const std::string module =
              name.substr(0, name.size() - sizeof("running_mean") + 1);
          return !names.contains(module + "num_batches_tracked");
        }
        return tensor->shape.size() == 1 && name.ends_with("_weight");
      });
}

ordered_json QuantizationConfig(
    const ExportFormat& format, const ExportTensor& first,
    const std::vector<const ExportTensor*>& tensors) {
  const bool grouped = first.strategy == codec::ScaleStrategy::kGroup;
  const ordered_json weights = {
      {"num_bits", 8},
      {"type", "int"},
      {"symmetric", true},
      {"strategy", StrategyName(first.strategy)},
      {"dynamic", false},
      {"group_size",
       grouped ? ordered_json(first.group_size) : ordered_json(nullptr)}};
  ordered_json groups = {{"group_0",
                          {{"targets", ordered_json::array({"Linear"})},
                           {"output_activations", nullptr},
                           {"weights", weights},
                           {"input_activations", format.input_activations()}}}};
  if (format.needs_experts_group() &&
      std::any_of(tensors.begin(), tensors.end(),
                  [](const ExportTensor* tensor) {
                    return tensor->quantized && IsOneOfExperts(tensor->name);
                  })) {
    groups["group_1"] = ExpertsGroup();
  }
  ordered_json config = {{"quant_method", "compressed-tensors"},
                         {"format", format.config_format()},
                         {"quantization_status", "compressed"},
                         {"kv_cache_scheme", nullptr},
                         {"global_compression_ratio", nullptr},
                         {"ignore", IgnoredModules(tensors)},
                         {"config_groups", groups}};
  if (!MayHoldWeightBuffers(tensors)) {
    // Transformers makes floats of the codes in any case. Told so, 5 does it
    // while it loads, and no module can be taken for INT8 that is not, nor are
    // scales and activations rounded; 4 does it right after. Others do not
    // look.
    config["dequantize"] = true;
    config["run_compressed"] = false;
  }
  return config;
}

// Into `object`, and into the configs of its parts (text_config, ...): a part
// that is loaded by itself sees nothing else.
void AddTo(const Json::Value& object, const std::string& json,
           model::JsonEdits* edits) {
  if (object.isMember(kKey)) {
    edits->Replace(object[kKey], json);  // null: it says that there is none
  } else {
    edits->AddMember(object, kKey, json);
  }
  for (const Json::Value& member : object) {
    if (!model::FindString(member, "model_type").empty()) {
      AddTo(member, json, edits);
    }
  }
}

}  // namespace

absl::StatusOr<std::string> RewriteConfig(
    const ExportFormat& format, const std::string& original,
    const std::vector<const ExportTensor*>& tensors) {
  const std::string config(model::WithoutByteOrderMark(original));
  QSTORE_ASSIGN_OR_RETURN(const Json::Value document,
                          model::ParseJsonObject(config));
  if (model::SaysQuantized(document)) {
    return absl::FailedPreconditionError(
        "it has a quantization_config already: download the original");
  }
  const ExportTensor* first = nullptr;
  for (const ExportTensor* tensor : tensors) {
    if (!tensor->quantized) continue;
    if (first == nullptr) first = tensor;
    if (tensor->strategy != first->strategy ||
        tensor->group_size != first->group_size) {
      return absl::FailedPreconditionError(absl::StrCat(
          "tensors ", Quoted(first->name), " and ", Quoted(tensor->name),
          " have scales of different kinds: download the original"));
    }
  }
  if (first == nullptr) return original;
  const ordered_json added = QuantizationConfig(format, *first, tensors);
  const bool one_line = config.find('\n') == std::string::npos;
  model::JsonEdits edits(config);
  AddTo(document,
        added.dump(one_line ? -1 : kIndent, ' ', /*ensure_ascii=*/false,
                   ordered_json::error_handler_t::replace),
        &edits);
  return edits.Apply();
}

}  // namespace qstore::client
