#include "model/quantization/quantization_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/glob.h"
#include "base/text/quote.h"
#include "model/json_text.h"
#include "model/quantization/directory_rules.h"
#include "model/quantization/tensor_rules.h"

namespace qstore::model {
namespace {

constexpr TensorPlan kLinear = {true, "linear", "weight of a linear layer"};

constexpr auto kExpertCounts = std::to_array<const char*>(
    {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
     "num_routed_experts"});

bool AnyFits(const std::vector<std::string>& patterns,
             const std::string& name) {
  return std::any_of(
      patterns.begin(), patterns.end(),
      [&](const std::string& pattern) { return GlobMatch(pattern, name); });
}

// What a config says of vocabularies, experts and types, at any depth.
void CollectFacts(const Json::Value& value, TensorGroup::ConfigFacts* facts) {
  if (value.isArray()) {
    for (const Json::Value& element : value) CollectFacts(element, facts);
  }
  if (!value.isObject()) return;
  if (std::string type = FindString(value, "model_type"); !type.empty()) {
    facts->model_types.insert(std::move(type));
  }
  for (auto member = value.begin(); member != value.end(); ++member) {
    if (!member->isUInt64()) {
      CollectFacts(*member, facts);
    } else if (member.name().ends_with("vocab_size")) {
      facts->vocabulary_sizes.insert(member->asUInt64());
    } else if (std::find(kExpertCounts.begin(), kExpertCounts.end(),
                         member.name()) != kExpertCounts.end()) {
      facts->expert_counts.insert(member->asUInt64());
    }
  }
}

TensorPlan PlanTensor(const TensorEntry& tensor, const TensorGroup& group,
                      const PlanOptions& options) {
  const TensorRule* const rule =
      FindTensorRule(tensor, group, !options.no_default_excludes);
  if (rule != nullptr) return {false, rule->name, rule->reason};
  if (!options.include.empty() && !AnyFits(options.include, tensor.name)) {
    return {false, "include", "no pattern of what to include fits it"};
  }
  if (AnyFits(options.exclude, tensor.name)) {
    return {false, "exclude", "a pattern of what to exclude fits it"};
  }
  return kLinear;
}

// Files that are planned together: what a config.json governs, what lies in a
// directory without one, or one file that is read otherwise.
struct Group {
  std::vector<const WeightFile*> files;
  std::vector<size_t> indices;  // of these, in ModelFiles::weights
};

std::string DirectoryLabel(const std::string& directory) {
  return directory.empty() ? "the model directory" : Quoted(directory + "/");
}

std::vector<const TensorEntry*> TensorsOf(const Group& group) {
  std::vector<const TensorEntry*> tensors;
  for (const WeightFile* file : group.files) {
    for (const TensorEntry& tensor : file->tensors) tensors.push_back(&tensor);
  }
  return tensors;
}

void Leave(const Group& group, const char* rule, const char* reason,
           QuantizationPlan* plan) {
  for (size_t i = 0; i < group.files.size(); ++i) {
    plan->files[group.indices[i]].tensors.assign(group.files[i]->tensors.size(),
                                                 {false, rule, reason});
  }
}

void PlanDirectory(const ModelFiles& files, const std::string& directory,
                   const Group& group, const PlanOptions& options,
                   QuantizationPlan* plan) {
  const DirectoryFacts facts = ReadDirectory(files, directory, group.files);
  if (const DirectoryRule* rule = FindDirectoryRule(facts, options.ask)) {
    Leave(group, rule->name, rule->reason, plan);
    const std::string& found = facts.quantized_by.empty()
                                   ? facts.quantized_tensor
                                   : facts.quantized_by;
    plan->notes.push_back(absl::StrCat(
        "weights in ", DirectoryLabel(directory),
        " are left as they are: ", rule->reason,
        !rule->always ? "" : absl::StrCat(" (", Quoted(found), ")")));
    return;
  }
  TensorGroup::ConfigFacts config_facts;
  CollectFacts(facts.config, &config_facts);
  const TensorGroup tensors(TensorsOf(group), std::move(config_facts));
  for (size_t i = 0; i < group.files.size(); ++i) {
    std::vector<TensorPlan>& planned = plan->files[group.indices[i]].tensors;
    for (const TensorEntry& tensor : group.files[i]->tensors) {
      planned.push_back(PlanTensor(tensor, tensors, options));
      plan->quantized_count += planned.back().quantized ? 1 : 0;
    }
  }
}

void FindUnusedPatterns(const ModelFiles& files,
                        const std::vector<std::string>& patterns,
                        QuantizationPlan* plan) {
  for (const std::string& pattern : patterns) {
    const bool fits = std::any_of(
        files.weights.begin(), files.weights.end(),
        [&](const WeightFile& file) {
          return std::any_of(file.tensors.begin(), file.tensors.end(),
                             [&](const TensorEntry& tensor) {
                               return GlobMatch(pattern, tensor.name);
                             });
        });
    if (!fits) plan->unused_patterns.push_back(pattern);
  }
}

}  // namespace

QuantizationPlan PlanQuantization(const ModelFiles& files,
                                  const PlanOptions& options) {
  QuantizationPlan plan;
  const GoverningConfigs configs(files);
  std::map<std::string, Group> groups;  // by directory
  for (size_t i = 0; i < files.weights.size(); ++i) {
    const WeightFile& file = files.weights[i];
    plan.files.push_back({file.path, {}});
    const GoverningConfigs::Answer answer = configs.Of(file.path);
    if (*answer.reason != '\0') {
      Leave({{&file}, {i}}, "other-format", answer.reason, &plan);
      if (!file.tensors.empty()) {
        plan.notes.push_back(absl::StrCat(
            "file ", Quoted(file.path), " is left as it is: ", answer.reason));
      }
      continue;
    }
    Group& group = groups[answer.directory != nullptr ? *answer.directory
                                                      : DirectoryOf(file.path)];
    group.files.push_back(&file);
    group.indices.push_back(i);
  }
  for (const auto& [directory, group] : groups) {
    PlanDirectory(files, directory, group, options, &plan);
  }
  FindUnusedPatterns(files, options.include, &plan);
  FindUnusedPatterns(files, options.exclude, &plan);
  return plan;
}

absl::StatusOr<std::vector<TensorPlan>> PlanLoneFile(
    const std::vector<TensorEntry>& tensors, const PlanOptions& options,
    const std::function<bool()>& cancelled) {
  std::vector<const TensorEntry*> pointers;
  pointers.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) pointers.push_back(&tensor);
  const TensorGroup group(pointers, {});
  std::vector<TensorPlan> plan;
  plan.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) {
    if (cancelled && cancelled()) {
      return absl::CancelledError("nobody waits for the plan any more");
    }
    plan.push_back(PlanTensor(tensor, group, options));
  }
  return plan;
}

}  // namespace qstore::model
