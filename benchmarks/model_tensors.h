// The weights that the benchmarks work on: those of a safetensors file that a
// store would quantize, or made-up ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/chunk.h"

namespace qstore::codec {

struct ModelTensor {
  std::string name;
  FloatFormat format = FloatFormat::kBF16;
  uint64_t rows = 0;
  uint64_t columns = 0;
  ByteVector weights;
  // What the user brings; empty when the codec quantizes.
  ScaleStrategy strategy = ScaleStrategy::kChannel;
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

// Another format, nearest values; on the way through BF16 if so.
struct WeightCast {
  std::string_view name;
  FloatFormat to;
  bool through_bf16;
};
// nullptr when the name is unknown.
const WeightCast* FindCast(std::string_view name);
// For messages.
std::string CastNames();

// The two-dimensional floating-point tensors, except those whose name contains
// "embed" or "lm_head". nullptr: in their own format.
absl::StatusOr<std::vector<ModelTensor>> ReadModelTensors(
    const std::string& path, const WeightCast* cast);

// Gaussian, one tensor.
std::vector<ModelTensor> MadeUpTensors(uint64_t rows, uint64_t columns,
                                       const WeightCast& cast);

// Takes codes and scales from a file with the same tensors in INT8: `W` with
// `W_scale` (compressed-tensors), or `X.weight` with `X.SCB` (bitsandbytes).
// Tensors that are not INT8 there are dropped.
absl::Status TakeGivenCodes(const std::string& path,
                            std::vector<ModelTensor>* tensors);

}  // namespace qstore::codec
