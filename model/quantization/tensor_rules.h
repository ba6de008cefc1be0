// Which tensors of a model are quantized: a table of rules, each with the
// reason that people are told. The first rule that fits leaves a tensor as it
// is; what none fits is the weight of a linear layer and is quantized.
//
// A tensor that is left wrongly costs space. One that is quantized wrongly
// makes an INT8 directory that engines load wrongly or not at all, so in doubt
// a rule leaves. To add one: a function and a line in the table of
// tensor_rules.cc, and a case in tests/model/quantization/tensor_rules_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors.h"

namespace qstore::model {

// The widest row that a scale can serve (codec::kMaxColumns).
inline constexpr uint64_t kMaxQuantizedColumns = 1u << 20;

// Tensors that one config.json governs, or one file where there is none. What
// the rules look at beside the tensor itself.
class TensorGroup {
 public:
  // Of the config.json; all empty where there is none.
  struct ConfigFacts {
    std::set<uint64_t> vocabulary_sizes = {};
    std::set<uint64_t> expert_counts = {};
    std::set<std::string> model_types = {};  // its own and those of its parts
  };

  TensorGroup(const std::vector<const TensorEntry*>& tensors,
              ConfigFacts facts);

  const TensorEntry* Find(const std::string& name) const;
  const ConfigFacts& facts() const { return facts_; }
  // Whether layers called like GPT-2's keep their weights as linear layers do,
  // as far as their biases tell.
  bool conv1d_names_are_linear() const { return conv1d_names_are_linear_; }
  // Whether any tensor that could be quantized is inside a numbered layer.
  bool has_numbered_layers() const { return has_numbered_layers_; }

 private:
  std::map<std::string_view, const TensorEntry*> by_name_;
  ConfigFacts facts_;
  bool conv1d_names_are_linear_ = false;
  bool has_numbered_layers_ = false;
};

struct TensorRule {
  // A word for the JSON of `upload --dry-run`.
  const char* name;
  // "it is ...", for people.
  const char* reason;
  bool (*leaves)(const TensorEntry& tensor, const TensorGroup& group);
  // Whether --no-default-excludes switches it off: it is a choice, not a bound
  // of the codec or the formats.
  bool is_default;
};

std::span<const TensorRule> TensorRules();

// The first rule that leaves the tensor; a null pointer: it is quantized.
const TensorRule* FindTensorRule(const TensorEntry& tensor,
                                 const TensorGroup& group,
                                 bool with_defaults = true);

// "a.b" of "a.b.weight"; "" of what is called otherwise, and of "weight".
std::string_view ModuleOf(std::string_view tensor_name);
// Whether a component before the last is a number: "layers.0.mlp", not
// "projector.0".
bool InNumberedLayer(std::string_view module);

}  // namespace qstore::model
