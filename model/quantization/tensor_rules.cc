#include "model/quantization/tensor_rules.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "base/text/glob.h"
#include "model/dtype.h"

namespace qstore::model {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";

// Looked up, not multiplied, whatever the class that holds them: nn.Embedding,
// learned tokens, codebooks, tables of positions.
constexpr auto kEmbeddings = std::to_array<std::string_view>({
    "*embed*",
    "*emb.weight",
    "*_emb.*",
    "*.emb.*",
    "*wte*",
    "*wpe*",
    "shared.weight",
    "*.shared.weight",
    "*position*",
    "*pos_enc*",
    "*token_type*",
    "*token.weight",
    "*tokens.weight",
    "*relative_attention_bias*",
    "*rel_pos*",
    "*codebook*",
    "*queries*",
    "*query_feat*",
    "*_table.weight",
    "*atom_encoder*",
    "*edge_encoder*",
    "*degree_encoder*",
    "w.weight",
    "*.w.weight",  // CTRL
    "objective.weight",
    "*.objective.weight",
});

// What turns hidden states into an answer: often the embedding again, built by
// engines whether it is stored or not, and worth its bytes.
constexpr auto kHeads = std::to_array<std::string_view>({
    "*lm_head*",
    "*embed_out*",
    "*predictions.decoder*",
    "head.*",
    "*.head.*",
    "heads.*",
    "*.heads.*",
    "*_head.weight",
    "*_head.*",
    "*_heads.*",
    "output.weight",
    "model.output.weight",
    "*output_layer.weight",
    "*output_projection.weight",
    "*proj_out.weight",
    "*ff_out.weight",
    "unembed.weight",
    "*.unembed.weight",
    "*unembedding*",
    "pred_layer.*",
    "*.pred_layer.*",
    "lm_loss.*",
    "*vocab_projector*",
    "*logits_proj*",
    "*classifier*",
    "score.weight",
    "*.score.weight",
    "*qa_outputs*",
    "*seq_relationship*",
    "*class_predictor*",
});

constexpr auto kNorms = std::to_array<std::string_view>({
    "*norm*",
    "*Norm*",
    "ln_*",
});

constexpr auto kRouters = std::to_array<std::string_view>({
    "gate.*",
    "*.gate.*",
    "*.wg.weight",
    "*router*",
    "*shared_expert_gate*",
});

constexpr auto kAdapters = std::to_array<std::string_view>({"*lora*"});

// Last components of the names of GPT-2's Conv1D layers; other models call
// linear layers so.
constexpr auto kConv1dNames =
    std::to_array<std::string_view>({"c_attn", "q_attn", "c_proj", "c_fc"});

// Layers of state-space mixers whose weights fused kernels read by themselves.
constexpr auto kMixerNames =
    std::to_array<std::string_view>({"dt_proj", "x_proj", "out_proj"});

template <size_t kCount>
bool Fits(const std::array<std::string_view, kCount>& patterns,
          std::string_view name) {
  return std::any_of(
      patterns.begin(), patterns.end(),
      [name](std::string_view pattern) { return GlobMatch(pattern, name); });
}

std::string_view LastComponent(std::string_view module) {
  const size_t dot = module.rfind('.');
  return dot == std::string_view::npos ? module : module.substr(dot + 1);
}

// A tensor beside the module: "a.b" and "bias" give "a.bias".
const TensorEntry* FindSibling(std::string_view module, const char* name,
                               const TensorGroup& group) {
  const size_t dot = module.rfind('.');
  const std::string parent(
      dot == std::string_view::npos ? "" : module.substr(0, dot + 1));
  return group.Find(parent + name);
}

const TensorEntry* FindBias(const TensorEntry& tensor,
                            const TensorGroup& group) {
  const std::string module(ModuleOf(tensor.name));
  const TensorEntry* const bias =
      group.Find(module.empty() ? "bias" : module + ".bias");
  return bias != nullptr && bias->shape.size() == 1 ? bias : nullptr;
}

bool HasOtherType(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return !IsQuantizable(tensor.dtype);
}

bool IsNoMatrix(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return tensor.shape.size() != 2;
}

bool IsEmpty(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return tensor.shape[0] == 0 || tensor.shape[1] == 0;
}

bool IsTooWide(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return tensor.shape[1] > kMaxQuantizedColumns;
}

bool IsNotNamedWeight(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return tensor.name != "weight" && !tensor.name.ends_with(kWeightSuffix);
}

bool IsEmbedding(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return Fits(kEmbeddings, tensor.name);
}

bool IsHead(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return Fits(kHeads, tensor.name);
}

bool HasRowsOfVocabulary(const TensorEntry& tensor, const TensorGroup& group) {
  return group.facts().vocabulary_sizes.contains(tensor.shape[0]) &&
         !InNumberedLayer(ModuleOf(tensor.name));
}

// By the ends of their names: whole models are called after their norms.
bool IsNorm(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  std::string_view module = ModuleOf(tensor.name);
  for (int i = 0; i < 2 && !module.empty(); ++i) {
    const std::string_view last = LastComponent(module);
    if (Fits(kNorms, last)) return true;
    module = module.substr(0, module.size() - last.size());
    if (!module.empty()) module.remove_suffix(1);
  }
  return false;
}

bool IsRouter(const TensorEntry& tensor, const TensorGroup& group) {
  return Fits(kRouters, tensor.name) ||
         (group.facts().expert_counts.contains(tensor.shape[0]) &&
          absl::StrContains(tensor.name, "gate"));
}

bool IsAdapterTensor(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return Fits(kAdapters, tensor.name);
}

bool IsTransposed(const TensorEntry& tensor, const TensorGroup& group) {
  const TensorEntry* const bias = FindBias(tensor, group);
  return bias != nullptr && bias->shape[0] != tensor.shape[0];
}

bool HasConv1dName(const TensorEntry& tensor) {
  const std::string_view last = LastComponent(ModuleOf(tensor.name));
  return std::find(kConv1dNames.begin(), kConv1dNames.end(), last) !=
         kConv1dNames.end();
}

bool MayBeConv1d(const TensorEntry& tensor, const TensorGroup& group) {
  return HasConv1dName(tensor) && !group.conv1d_names_are_linear();
}

bool IsReadByAttention(const TensorEntry& tensor, const TensorGroup& group) {
  const std::string_view module = ModuleOf(tensor.name);
  return LastComponent(module) == "out_proj" &&
         FindSibling(module, "in_proj_weight", group) != nullptr;
}

bool IsReadByMixer(const TensorEntry& tensor, const TensorGroup& group) {
  const std::string_view module = ModuleOf(tensor.name);
  return std::find(kMixerNames.begin(), kMixerNames.end(),
                   LastComponent(module)) != kMixerNames.end() &&
         FindSibling(module, "conv1d.weight", group) != nullptr;
}

// What Transformers 5 splits, joins or reorders while it loads a model of the
// type: its scales would not go the same way. From conversion_mapping.py there.
struct RearrangedTensors {
  std::string_view model_type;  // or the beginning of several
  std::string_view pattern;
};
constexpr auto kRearranged = std::to_array<RearrangedTensors>({
    {"nomic_bert", "*Wqkv*"},
    {"jina_embeddings_v3", "*Wqkv*"},
    {"gte", "*qkv_proj*"},
    {"gte", "*up_gate_proj*"},
    {"radio", "*.qkv.*"},
    {"kimi_k25", "*wqkv*"},
    {"sarvam", "*query_key_value*"},
    {"qianfan_ocr", "*.qkv.*"},
    {"hrm_text", "*gate_up_proj*"},
    {"hrm_text", "*gqkv_proj*"},
    {"sapiens2", "*.w12.*"},
    {"molmo2", "*.att_proj.*"},
    {"molmo2", "*.ff_proj.*"},
    {"tipsv2", "*.w12.*"},
    {"tipsv2", "*.qkv.*"},
    {"unlimited_ocr", "*qkv_proj*"},
    {"nemo_speechlm", "*w_qkv*"},
    {"lara_mini", "*linear_attn.in_proj*"},
    {"minimax_m3_vl", "*.gate_proj.*"},
    {"minimax_m3_vl", "*.up_proj.*"},
    {"mistral_large4", "*.wq.*"},
    {"mistral_large4", "*.wk.*"},
    {"gradium_phonon_tts", "*.in_proj.*"},
});

bool IsRearranged(const TensorEntry& tensor, const TensorGroup& group) {
  return std::any_of(
      kRearranged.begin(), kRearranged.end(),
      [&](const RearrangedTensors& rearranged) {
        return GlobMatch(rearranged.pattern, tensor.name) &&
               std::any_of(group.facts().model_types.begin(),
                           group.facts().model_types.end(),
                           [&](const std::string& type) {
                             return type.starts_with(rearranged.model_type);
                           });
      });
}

bool IsShared(const TensorEntry& tensor, const TensorGroup& /*group*/) {
  return absl::StrContains(tensor.name, "shared_transf");
}

bool IsOutsideLayers(const TensorEntry& tensor, const TensorGroup& group) {
  return group.has_numbered_layers() && !InNumberedLayer(ModuleOf(tensor.name));
}

constexpr auto kTensorRules = std::to_array<TensorRule>({
    {"type", "its type is not F32, F16 or BF16", HasOtherType, false},
    {"rank", "it is no matrix", IsNoMatrix, false},
    {"empty", "it has no elements", IsEmpty, false},
    {"columns", "its rows are too long for one scale", IsTooWide, false},
    {"name", "it is not called weight, as those of linear layers are",
     IsNotNamedWeight, false},
    {"head", "it is an output head", IsHead, true},
    {"embedding", "it is looked up, not multiplied (embedding, tokens, codes)",
     IsEmbedding, true},
    {"vocabulary", "it has a row for each word: an embedding or output head",
     HasRowsOfVocabulary, true},
    {"norm", "it is a norm", IsNorm, true},
    {"router", "it is a router or gate: few weights that decide much", IsRouter,
     true},
    {"adapter", "it is an adapter's, which loaders want in floats",
     IsAdapterTensor, true},
    {"transposed",
     "its bias does not have one element a row: it is kept as [in, out]",
     IsTransposed, true},
    {"conv1d", "layers so called may be Conv1D, which keep [in, out]",
     MayBeConv1d, true},
    {"attention", "torch's attention reads it directly", IsReadByAttention,
     true},
    {"mixer", "kernels of state-space mixers read it directly", IsReadByMixer,
     true},
    {"shared", "several layers share it, and only one has its scales", IsShared,
     true},
    {"rearranged",
     "Transformers splits, joins or reorders it while it loads the model",
     IsRearranged, true},
    {"outside",
     "it is outside of the numbered layers, where engines also build what is "
     "not stored or is shared",
     IsOutsideLayers, true},
});

}  // namespace

TensorGroup::TensorGroup(const std::vector<const TensorEntry*>& tensors,
                         ConfigFacts facts)
    : facts_(std::move(facts)) {
  for (const TensorEntry* tensor : tensors) {
    by_name_.emplace(tensor->name, tensor);
  }
  bool any_linear = false;
  bool any_transposed = false;
  for (const TensorEntry* tensor : tensors) {
    if (tensor->shape.size() != 2 || !HasConv1dName(*tensor)) continue;
    const TensorEntry* const bias = FindBias(*tensor, *this);
    if (bias == nullptr || tensor->shape[0] == tensor->shape[1]) continue;
    (bias->shape[0] == tensor->shape[0] ? any_linear : any_transposed) = true;
  }
  conv1d_names_are_linear_ = any_linear && !any_transposed;
  for (const TensorEntry* tensor : tensors) {
    if (InNumberedLayer(ModuleOf(tensor->name)) &&
        FindTensorRule(*tensor, *this) == nullptr) {
      has_numbered_layers_ = true;
      break;
    }
  }
}

const TensorEntry* TensorGroup::Find(const std::string& name) const {
  const auto tensor = by_name_.find(name);
  return tensor == by_name_.end() ? nullptr : tensor->second;
}

std::span<const TensorRule> TensorRules() { return kTensorRules; }

const TensorRule* FindTensorRule(const TensorEntry& tensor,
                                 const TensorGroup& group, bool with_defaults) {
  for (const TensorRule& rule : kTensorRules) {
    if ((with_defaults || !rule.is_default) && rule.leaves(tensor, group)) {
      return &rule;
    }
  }
  return nullptr;
}

std::string_view ModuleOf(std::string_view tensor_name) {
  if (!tensor_name.ends_with(kWeightSuffix)) return "";
  return tensor_name.substr(0, tensor_name.size() - kWeightSuffix.size());
}

bool InNumberedLayer(std::string_view module) {
  size_t begin = 0;
  for (size_t dot = module.find('.'); dot != std::string_view::npos;
       dot = module.find('.', begin)) {
    const std::string_view component = module.substr(begin, dot - begin);
    if (!component.empty() &&
        std::all_of(component.begin(), component.end(),
                    [](char c) { return c >= '0' && c <= '9'; })) {
      return true;
    }
    begin = dot + 1;
  }
  return false;
}

}  // namespace qstore::model
