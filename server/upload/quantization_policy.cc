#include "server/upload/quantization_policy.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "codec/chunk.h"
#include "codec/int8/int8_coder.h"
#include "model/dtype.h"
#include "model/quantization/tensor_rules.h"
#include "server/upload/object_plan.h"

namespace qstore::server {
namespace {

absl::Status CheckPatterns(
    const google::protobuf::RepeatedPtrField<std::string>& patterns,
    const char* what) {
  if (static_cast<size_t>(patterns.size()) > kMaxPatterns) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          patterns.size(), " ", what, " patterns, but at most ",
                          kMaxPatterns, " are allowed")),
                      kReasonInvalidQuantization);
  }
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "the ", what, " pattern ", Quoted(pattern), " has ",
                            pattern.size(), " bytes; 1 to ", kMaxPatternBytes,
                            " are allowed")),
                        kReasonInvalidQuantization);
    }
  }
  return absl::OkStatus();
}

// What no choice can change: bounds of the codec.
bool CanBeQuantized(const TensorEntry& tensor) {
  return IsQuantizable(tensor.dtype) && tensor.shape.size() == 2 &&
         tensor.shape[0] > 0 && tensor.shape[1] > 0 &&
         tensor.shape[1] <= codec::kMaxColumns;
}

absl::StatusOr<std::vector<bool>> ReadSelection(
    const std::vector<TensorEntry>& tensors, const std::string& bits) {
  std::vector<bool> selected(tensors.size());
  for (size_t i = 0; i < bits.size() * 8; ++i) {
    if ((static_cast<uint8_t>(bits[i / 8]) >> (i % 8) & 1) == 0) continue;
    if (i >= tensors.size()) {
      return WithReason(absl::InvalidArgumentError(
                            absl::StrCat("tensor number ", i,
                                         " is selected to be quantized, but "
                                         "there are ",
                                         tensors.size())),
                        kReasonInvalidQuantization);
    }
    if (!CanBeQuantized(tensors[i])) {
      return WithReason(absl::InvalidArgumentError(
                            absl::StrCat("tensor ", Quoted(tensors[i].name),
                                         " is selected to be quantized, but it "
                                         "is no F32, F16 or BF16 matrix "
                                         "of at most ",
                                         codec::kMaxColumns, " columns")),
                        kReasonInvalidQuantization);
    }
    selected[i] = true;
  }
  return selected;
}

static_assert(model::kMaxQuantizedColumns == codec::kMaxColumns);

}  // namespace

absl::StatusOr<QuantizationPolicy> QuantizationPolicy::Create(
    const v1::QuantizationOptions& options) {
  QuantizationPolicy policy;
  if (!options.quantizer().empty()) {
    policy.quantizer_ = codec::FindQuantizer(options.quantizer());
    if (policy.quantizer_ == nullptr &&
        options.quantizer() != codec::kNoQuantizer) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "unknown quantizer ", Quoted(options.quantizer()),
                            "; there are: ", codec::QuantizerNames(), ", and ",
                            std::string(codec::kNoQuantizer))),
                        kReasonInvalidQuantization);
    }
  }
  if (!options.int8_coder().empty()) {
    const codec::Int8CoderEntry* coder =
        codec::FindInt8Coder(std::string_view(options.int8_coder()));
    if (coder == nullptr) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "unknown INT8 coder ", Quoted(options.int8_coder()),
                            "; there are: ", codec::Int8CoderNames())),
                        kReasonInvalidQuantization);
    }
    policy.coder_ = coder->coder;
  }
  QSTORE_RETURN_IF_ERROR(CheckPatterns(options.include(), "include"));
  QSTORE_RETURN_IF_ERROR(CheckPatterns(options.exclude(), "exclude"));
  policy.plan_options_.include.assign(options.include().begin(),
                                      options.include().end());
  policy.plan_options_.exclude.assign(options.exclude().begin(),
                                      options.exclude().end());
  policy.plan_options_.no_default_excludes = options.replace_default_excludes();
  return policy;
}

absl::StatusOr<std::vector<bool>> QuantizationPolicy::Select(
    const std::vector<TensorEntry>& tensors,
    const v1::TensorSelection* selection,
    const std::function<bool()>& cancelled) const {
  if (quantizer_ == nullptr) return std::vector<bool>(tensors.size());
  if (selection != nullptr) return ReadSelection(tensors, selection->bits());
  QSTORE_ASSIGN_OR_RETURN(
      const std::vector<model::TensorPlan> plans,
      model::PlanLoneFile(tensors, plan_options_, cancelled));
  std::vector<bool> selected;
  selected.reserve(tensors.size());
  for (const model::TensorPlan& plan : plans) {
    selected.push_back(plan.quantized);
  }
  return selected;
}

}  // namespace qstore::server
