#include "codec/pairs/column_factors.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/chunk_runs.h"
#include "codec/float_bits.h"
#include "codec/interval.h"

namespace qstore::codec {
namespace {

constexpr FloatFormat kStored = FloatFormat::kBF16;
// Bounds that keep every product finite.
constexpr float kMaxFactor = 0x1p16f;
constexpr float kMaxRatio = 0x1p20f;
// There is no nearest code (codec/pairs/nearest_codes.h).
constexpr int8_t kNone = -128;

// How many steps of the nearest scale one of the given scale is; 0 when that
// says nothing.
float Ratio(float scale, float nearest_scale) {
  if (!IsUsableScale(scale) || !IsUsableScale(nearest_scale)) {
    return 0;
  }
  const float ratio = scale / nearest_scale;
  return ratio <= kMaxRatio ? ratio : 0;
}

float RoundToStored(double value) {
  const auto magnitude =
      static_cast<float>(std::min(std::abs(value), double{kMaxFactor}));
  return std::copysign(ToFloat<kStored>(NearestOrdinal<kStored>(magnitude)),
                       static_cast<float>(value));
}

}  // namespace

void ColumnFactors::Estimate(const ChunkShape& shape,
                             std::span<const int8_t> codes,
                             std::span<const float> scales,
                             std::span<const int8_t> nearest,
                             std::span<const float> nearest_scales) {
  products_.assign(shape.columns, 0);
  squares_.assign(shape.columns, 0);
  ForEachRowPart(shape, [&](size_t scale, uint64_t first, uint32_t column,
                            uint32_t count) {
    const double ratio = Ratio(scales[scale], nearest_scales[scale]);
    for (uint32_t i = 0; i < count; ++i) {
      const int target = nearest[first + i];
      const double code = target == kNone ? 0 : codes[first + i] * ratio;
      products_[column + i] += target * code;
      squares_[column + i] += code * code;
    }
  });
  factors_.resize(shape.columns);
  for (size_t column = 0; column < shape.columns; ++column) {
    factors_[column] =
        squares_[column] == 0
            ? 1.0f
            : RoundToStored(products_[column] / squares_[column]);
  }
}

void ColumnFactors::Predict(const ChunkShape& shape,
                            std::span<const int8_t> codes,
                            std::span<const float> scales,
                            std::span<const float> nearest_scales,
                            std::span<int8_t> predicted) const {
  ForEachRowPart(shape, [&](size_t scale, uint64_t first, uint32_t column,
                            uint32_t count) {
    const float ratio = Ratio(scales[scale], nearest_scales[scale]);
    for (uint32_t i = 0; i < count; ++i) {
      const float product =
          static_cast<float>(codes[first + i]) * factors_[column + i] * ratio;
      predicted[first + i] = static_cast<int8_t>(
          RoundHalfEven(std::min(std::max(product, -127.0f), 127.0f)));
    }
  });
}

absl::Status ColumnFactors::AppendTo(ZstdEncoder* zstd, ByteVector* scratch,
                                     ByteVector* out) const {
  scratch->resize(factors_.size());
  for (uint32_t plane = 0; plane < FloatBytes(kStored); ++plane) {
    for (size_t i = 0; i < factors_.size(); ++i) {
      (*scratch)[i] = static_cast<uint8_t>(
          std::bit_cast<uint32_t>(factors_[i]) >> (16 + 8 * plane));
    }
    QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, out));
  }
  return absl::OkStatus();
}

absl::Status ColumnFactors::TakeFrom(ByteView* in, uint32_t columns,
                                     ZstdDecoder* zstd, ByteVector* scratch) {
  scratch->resize(columns);
  factors_.assign(columns, 0.0f);
  for (uint32_t plane = 0; plane < FloatBytes(kStored); ++plane) {
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(in, *scratch));
    for (size_t i = 0; i < columns; ++i) {
      factors_[i] =
          std::bit_cast<float>(std::bit_cast<uint32_t>(factors_[i]) |
                               uint32_t{(*scratch)[i]} << (16 + 8 * plane));
    }
  }
  for (size_t i = 0; i < columns; ++i) {
    // Negated, so that NaN is refused too.
    if (!(std::abs(factors_[i]) <= kMaxFactor)) {
      return absl::DataLossError(
          absl::StrCat("the factor of column ", i, " is ", factors_[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
