#include "client/export/int_quantized.h"

namespace qstore::client {
namespace {

class IntQuantized final : public ExportFormat {
 public:
  std::vector<ExportedPart> Parts(const ExportTensor& tensor) const override {
    using Role = ExportedPart::Role;
    return {{Role::kCodes, tensor.name, Dtype::kI8, tensor.shape},
            {Role::kScales, tensor.name + "_scale", Dtype::kF32,
             ScaleShape(tensor).value_or(std::vector<uint64_t>{})}};
  }

  CodeLayout CodesOf(const ExportTensor& tensor) const override {
    return {.columns = tensor.shape[1], .row_bytes = tensor.shape[1]};
  }

  const char* config_format() const override { return "int-quantized"; }

  nlohmann::ordered_json input_activations() const override {
    return {{"num_bits", 8},
            {"type", "int"},
            {"symmetric", true},
            {"strategy", "token"},
            {"dynamic", true}};
  }

  bool needs_experts_group() const override { return true; }
};

}  // namespace

const ExportFormat* IntQuantizedFormat() {
  static const IntQuantized kFormat;
  return &kFormat;
}

}  // namespace qstore::client
