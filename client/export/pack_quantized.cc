#include "client/export/pack_quantized.h"

namespace qstore::client {
namespace {

constexpr uint64_t kCodesPerWord = 4;
constexpr uint8_t kCodeOffset = 0x80;  // + 128 modulo 256 flips the top bit

uint64_t WordsPerRow(const ExportTensor& tensor) {
  return (tensor.shape[1] + kCodesPerWord - 1) / kCodesPerWord;
}

// Transformers 5 gives experts the type of their scales.
Dtype ScaleType(const ExportTensor& tensor) {
  return IsOneOfExperts(tensor.name) ? tensor.dtype : Dtype::kF32;
}

class PackQuantized final : public ExportFormat {
 public:
  std::vector<ExportedPart> Parts(const ExportTensor& tensor) const override {
    using Role = ExportedPart::Role;
    return {{Role::kCodes,
             tensor.name + "_packed",
             Dtype::kI32,
             {tensor.shape[0], WordsPerRow(tensor)}},
            {Role::kScales, tensor.name + "_scale", ScaleType(tensor),
             ScaleShape(tensor).value_or(std::vector<uint64_t>{})},
            {Role::kShape, tensor.name + "_shape", Dtype::kI64, {2}}};
  }

  CodeLayout CodesOf(const ExportTensor& tensor) const override {
    return {.columns = tensor.shape[1],
            .row_bytes = WordsPerRow(tensor) * kCodesPerWord,
            .flipped_bits = kCodeOffset};
  }

  const char* config_format() const override { return "pack-quantized"; }

  nlohmann::ordered_json input_activations() const override { return nullptr; }

  bool needs_experts_group() const override { return false; }
};

}  // namespace

const ExportFormat* PackQuantizedFormat() {
  static const PackQuantized kFormat;
  return &kFormat;
}

}  // namespace qstore::client
