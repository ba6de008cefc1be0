// One factor a column: how nearest codes follow from codes that were quantized
// after the columns of the layer had been multiplied. docs/format.md, "Code
// differences".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

// Not thread-safe.
class ColumnFactors {
 public:
  // Finds the factors that predict `nearest`, which are codes under
  // `nearest_scales`, from `codes` under `scales` best, by least squares.
  // Deterministic.
  void Estimate(const ChunkShape& shape, std::span<const int8_t> codes,
                std::span<const float> scales, std::span<const int8_t> nearest,
                std::span<const float> nearest_scales);

  // predicted[i] = code under `nearest_scales` of codes[i] under `scales` times
  // its column's factor, -127..127. The two may be the same memory.
  void Predict(const ChunkShape& shape, std::span<const int8_t> codes,
               std::span<const float> scales,
               std::span<const float> nearest_scales,
               std::span<int8_t> predicted) const;

  // As two byte planes.
  absl::Status AppendTo(ZstdEncoder* zstd, ByteVector* scratch,
                        ByteVector* out) const;
  // Takes `columns` factors from the front of *in. DATA_LOSS.
  absl::Status TakeFrom(ByteView* in, uint32_t columns, ZstdDecoder* zstd,
                        ByteVector* scratch);

 private:
  // BF16 values, at most kMaxFactor.
  std::vector<float> factors_;
  std::vector<double> products_;
  std::vector<double> squares_;
};

}  // namespace qstore::codec
