#include "codec/quantizer.h"

#include <array>

#include "absl/strings/str_join.h"
#include "codec/chunk_runs.h"

namespace qstore::codec {

std::span<const Quantizer* const> Quantizers() {
  // One line for each.
  static constexpr std::array kQuantizers = {
      &kAbsmaxQuantizer,
  };
  return kQuantizers;
}

const Quantizer* FindQuantizer(std::string_view name) {
  for (const Quantizer* quantizer : Quantizers()) {
    if (quantizer->name == name) return quantizer;
  }
  return nullptr;
}

std::string QuantizerNameOr(std::string_view name) {
  return std::string(name.empty() ? DefaultQuantizer().name : name);
}

std::string QuantizerNames() {
  return absl::StrJoin(Quantizers(), ", ",
                       [](std::string* out, const Quantizer* quantizer) {
                         out->append(quantizer->name);
                       });
}

absl::Status QuantizeChunk(const Quantizer& quantizer, const ChunkShape& shape,
                           ByteView weights, std::span<int8_t> codes,
                           std::span<float> scales) {
  if (shape.strategy == ScaleStrategy::kTensor) {
    return absl::InvalidArgumentError(
        "a chunk cannot be quantized by itself under one scale for the whole "
        "tensor: give its codes and scale");
  }
  const Kernels& kernels = BestKernels();
  return ForEachRun(shape, [&](size_t scale, uint64_t first, uint64_t count) {
    scales[scale] =
        quantizer.quantize(kernels, shape.format,
                           weights.data() + first * FloatBytes(shape.format),
                           count, codes.data() + first);
    return absl::OkStatus();
  });
}

}  // namespace qstore::codec
