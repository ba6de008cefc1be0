// Which tensors of an upload are quantized: those that the client has selected,
// knowing the whole model, or else those that the rules of
// model/quantization/tensor_rules.h find in one file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "codec/encode_options.h"
#include "codec/quantizer.h"
#include "model/quantization/quantization_plan.h"
#include "model/safetensors.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::server {

inline constexpr size_t kMaxPatterns = 1000;
inline constexpr size_t kMaxPatternBytes = 256;

class QuantizationPolicy {
 public:
  // INVALID_ARGUMENT: unknown quantizer or coder, too many or too long
  // patterns.
  static absl::StatusOr<QuantizationPolicy> Create(
      const v1::QuantizationOptions& options);

  // One answer a tensor, for the tensors of one file. `selection`: what its
  // FileBegin says; a null pointer: nothing. INVALID_ARGUMENT names the tensor
  // that cannot be quantized though it was selected. CANCELLED as from
  // PlanLoneFile.
  absl::StatusOr<std::vector<bool>> Select(
      const std::vector<TensorEntry>& tensors,
      const v1::TensorSelection* selection,
      const std::function<bool()>& cancelled = {}) const;

  // Null: nothing is quantized.
  const codec::Quantizer* quantizer() const { return quantizer_; }
  // Its name, or codec::kNoQuantizer.
  std::string quantizer_name() const {
    return std::string(quantizer_ == nullptr ? codec::kNoQuantizer
                                             : quantizer_->name);
  }
  codec::Int8Coder coder() const { return coder_; }

 private:
  const codec::Quantizer* quantizer_ = &codec::DefaultQuantizer();
  codec::Int8Coder coder_ = codec::EncodeOptions{}.coder;
  model::PlanOptions plan_options_;
};

}  // namespace qstore::server
