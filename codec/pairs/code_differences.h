// Codes that often are not the nearest: what turns them into the nearest ones,
// under the same scales or others. docs/format.md, "Code differences".
//
// Each nearest code is predicted, and the difference to the prediction is
// stored. Where tools move codes to make up for each other's errors (GPTQ) the
// prediction is the given code. A layer whose columns were multiplied before it
// was quantized (SmoothQuant) is predicted by one factor a column, and its
// nearest codes are those under scales of its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/pairs/column_factors.h"
#include "codec/pairs/difference_packing.h"
#include "codec/scale_coding.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

// DO NOT CHANGE THESE VALUES.
enum class CodePrediction : uint8_t { kCode = 0, kColumnFactor = 1 };

// At most this many differences of a chunk may be far ones.
constexpr uint64_t MaxFarDifferences(const ChunkShape& shape) {
  return shape.weight_count() / 2;
}

// Column factors need enough weights for each factor and scale to be worth
// their bytes; the bound also keeps working memory small.
constexpr bool MayHaveColumnFactors(const ChunkShape& shape) {
  return shape.rows >= 8 && shape.scale_count() * 8 <= shape.weight_count();
}

// Keeps its working memory, 4 bytes a weight. Not thread-safe.
class CodeDifferenceEncoder {
 public:
  // Finds nearest codes and what predicts them best. Deterministic. `codes` and
  // `scales` are referenced by the functions below.
  void Start(const ChunkShape& shape, ByteView weights,
             std::span<const int8_t> codes, std::span<const float> scales);

  // Under these the weights are to be ranked: FindNearestCodes.
  std::span<const int8_t> nearest() const { return nearest_; }
  std::span<const float> nearest_scales() const {
    return prediction_ == CodePrediction::kCode ? scales_ : own_scales_;
  }
  // Whether nothing has to be stored, since `codes` are the nearest.
  bool none() const { return none_; }
  // Whether it can be stored, and might take less than plain coding: the codes
  // that the weights have by themselves have about 7 bits, so differences
  // that take more than 7.5 say less than nothing.
  bool is_worthwhile() const {
    return few_are_far() &&
           bits_ < 7.5 * static_cast<double>(shape_.weight_count());
  }

  // Appends what turns `codes` and `scales` into the nearest ones.
  absl::Status AppendTo(ZstdEncoder* zstd, ByteVector* blob);

 private:
  bool few_are_far() const { return far_.size() <= MaxFarDifferences(shape_); }
  void TryColumnFactors(ByteView weights, double code_bits);

  ChunkShape shape_;
  std::span<const int8_t> codes_;
  std::span<const float> scales_;
  CodePrediction prediction_ = CodePrediction::kCode;
  uint32_t reach_ = 0;
  double bits_ = 0;  // about what the differences take
  bool none_ = true;
  std::vector<int8_t> nearest_;
  std::vector<int8_t> differences_;
  std::vector<uint32_t> far_;  // positions
  ColumnFactors factors_;
  std::vector<float> own_scales_;
  std::vector<int8_t> own_nearest_;
  std::vector<int8_t> own_differences_;
  ScaleEncoder scale_encoder_;
  ZstdEncoder digits_zstd_{ZstdSearch::kLeast};
  ByteVector scratch_;
};

class CodeDifferenceDecoder {
 public:
  // Turns codes and scales into the nearest ones. DATA_LOSS.
  absl::Status Apply(const ChunkShape& shape, ByteView blob, ZstdDecoder* zstd,
                     std::span<int8_t> codes, std::span<float> scales);

 private:
  absl::Status ApplyFactors(const ChunkShape& shape, ScaleCoding scale_coding,
                            ByteView* blob, ZstdDecoder* zstd,
                            std::span<int8_t> codes, std::span<float> scales);

  absl::Status AddNear(uint32_t reach, ByteView* blob, ZstdDecoder* zstd,
                       std::span<int8_t> codes);

  ColumnFactors factors_;
  std::vector<float> own_scales_;
  std::vector<int8_t> differences_;
  std::vector<uint32_t> positions_;
  ByteVector scratch_;
};

}  // namespace qstore::codec
