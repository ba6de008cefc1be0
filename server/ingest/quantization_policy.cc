#include "server/ingest/quantization_policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/dtype.h"
#include "base/glob.h"
#include "base/quote.h"
#include "base/status.h"
#include "codec/chunk.h"
#include "codec/int8_coder.h"
#include "server/ingest/object_plan.h"

namespace qstore::server {
namespace {

constexpr auto kDefaultExcludes = std::to_array<std::string_view>({
    // Embeddings: looked up, not multiplied (BERT, Llama, GPT-2, T5, BART,
    // ViT).
    "*embed*",
    "*wte*",
    "*wpe*",
    "shared.weight",
    "*.shared.weight",
    "*position*",
    "*token_type*",
    "*relative_attention_bias*",
    // Output heads, often the embedding again.
    "*lm_head*",
    "*embed_out*",
    "*predictions.decoder*",
    // Norms that some models keep as matrices.
    "*norm*",
    "*Norm*",
    "*.ln_*",
    "ln_*",
    // Routers of mixtures of experts; their few weights decide where all goes.
    "gate.weight",
    "*.gate.weight",
    "*.wg.weight",
    "*router*",
    "*shared_expert_gate*",
    // Conv1D of GPT-2 keeps [in, out]: a row there is no output channel.
    "*c_attn.weight",
    "*q_attn.weight",
    "*c_proj.weight",
    "*c_fc.weight",
    // Adapters are added to weights, and loaders expect them in floats.
    "*lora_*",
});

absl::Status CheckPatterns(
    const google::protobuf::RepeatedPtrField<std::string>& patterns,
    const char* what) {
  if (static_cast<size_t>(patterns.size()) > kMaxPatterns) {
    return absl::InvalidArgumentError(
        absl::StrCat(patterns.size(), " ", what, " patterns, but at most ",
                     kMaxPatterns, " are allowed"));
  }
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the ", what, " pattern ", Quoted(pattern), " has ", pattern.size(),
          " bytes; 1 to ", kMaxPatternBytes, " are allowed"));
    }
  }
  return absl::OkStatus();
}

bool AnyMatches(const std::vector<std::string>& patterns,
                const std::string& name) {
  return std::any_of(
      patterns.begin(), patterns.end(),
      [&](const std::string& pattern) { return GlobMatch(pattern, name); });
}

bool IsNamedWeight(std::string_view name) {
  return name == "weight" || name.ends_with(".weight");
}

}  // namespace

std::span<const std::string_view> DefaultExcludes() { return kDefaultExcludes; }

absl::StatusOr<QuantizationPolicy> QuantizationPolicy::Create(
    const v1::QuantizationOptions& options) {
  QuantizationPolicy policy;
  policy.quantizer_ =
      options.quantizer().empty() ? kAbsmaxQuantizer : options.quantizer();
  if (policy.quantizer_ != kAbsmaxQuantizer &&
      policy.quantizer_ != kNoQuantizer) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown quantizer ", Quoted(policy.quantizer_), "; use \"",
        kAbsmaxQuantizer, "\" or \"", kNoQuantizer, "\""));
  }
  if (!options.int8_coder().empty()) {
    const codec::Int8CoderEntry* coder =
        codec::FindInt8Coder(std::string_view(options.int8_coder()));
    if (coder == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown INT8 coder ", Quoted(options.int8_coder()),
                       "; there are: ", codec::Int8CoderNames()));
    }
    policy.coder_ = coder->coder;
  }
  QSTORE_RETURN_IF_ERROR(CheckPatterns(options.include(), "include"));
  QSTORE_RETURN_IF_ERROR(CheckPatterns(options.exclude(), "exclude"));
  policy.include_.assign(options.include().begin(), options.include().end());
  policy.exclude_.assign(options.exclude().begin(), options.exclude().end());
  if (!options.replace_default_excludes()) {
    policy.exclude_.insert(policy.exclude_.end(), kDefaultExcludes.begin(),
                           kDefaultExcludes.end());
  }
  return policy;
}

bool QuantizationPolicy::Selects(const TensorEntry& tensor) const {
  if (quantizer_ == kNoQuantizer) return false;
  if (!IsQuantizable(tensor.dtype) || tensor.shape.size() != 2) return false;
  if (tensor.shape[0] == 0 || tensor.shape[1] == 0 ||
      tensor.shape[1] > codec::kMaxColumns) {
    return false;
  }
  if (!IsNamedWeight(tensor.name)) return false;
  if (!include_.empty() && !AnyMatches(include_, tensor.name)) return false;
  return !AnyMatches(exclude_, tensor.name);
}

}  // namespace qstore::server
