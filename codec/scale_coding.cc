#include "codec/scale_coding.h"

#include <bit>
#include <cmath>
#include <optional>

#include "base/status.h"
#include "codec/float_bits.h"

namespace qstore::codec {
namespace {

constexpr float kLargestCode = 127.0f;
// How many scales' working memory is kept from chunk to chunk.
constexpr size_t kKeptScales = 1u << 20;

// The sign goes to the lowest bit, so that the top plane of FP32 and BF16 is
// the exponent alone.
uint32_t RotateSign(uint32_t bits, uint32_t element_bytes) {
  return element_bytes == 4 ? std::rotl(bits, 1)
                            : std::rotl(static_cast<uint16_t>(bits), 1);
}
uint32_t RestoreSign(uint32_t bits, uint32_t element_bytes) {
  return element_bytes == 4 ? std::rotr(bits, 1)
                            : std::rotr(static_cast<uint16_t>(bits), 1);
}

// The value x of the format with x / 127 == scale in float32, if there is one;
// among several, the one with the most trailing zeros, which packs best.
template <FloatFormat kFormat>
std::optional<uint32_t> AbsmaxOf(float scale) {
  const float product = scale * kLargestCode;
  if (!(product > 0) || !std::isfinite(product)) {
    return std::nullopt;
  }
  const auto nearest = static_cast<int64_t>(NearestOrdinal<kFormat>(product));
  std::optional<uint32_t> best;
  for (int64_t candidate = nearest - 1; candidate <= nearest + 1; ++candidate) {
    if (candidate <= 0 || candidate >= InfinityOrdinal(kFormat)) {
      continue;
    }
    const auto bits = static_cast<uint32_t>(candidate);
    if (ToFloat<kFormat>(bits) / kLargestCode == scale &&
        (!best || std::countr_zero(bits) > std::countr_zero(*best))) {
      best = bits;
    }
  }
  return best;
}

}  // namespace

absl::Status ScaleEncoder::AppendPlanes(std::span<const uint32_t> values,
                                        uint32_t element_bytes,
                                        ZstdEncoder* zstd, ByteVector* out) {
  plane_.resize(values.size());
  for (uint32_t plane = 0; plane < element_bytes; ++plane) {
    for (size_t i = 0; i < values.size(); ++i) {
      plane_[i] = static_cast<uint8_t>(RotateSign(values[i], element_bytes) >>
                                       8 * plane);
    }
    QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(plane_, out));
  }
  return absl::OkStatus();
}

absl::Status ScaleEncoder::Append(FloatFormat format,
                                  std::span<const float> scales,
                                  ZstdEncoder* zstd, ByteVector* out,
                                  ScaleCoding* coding) {
  absl::Status status = AppendSmaller(format, scales, zstd, out, coding);
  if (scales.size() > kKeptScales) {
    values_ = std::vector<uint32_t>();
    plane_ = ByteVector();
  }
  return status;
}

absl::Status ScaleEncoder::AppendSmaller(FloatFormat format,
                                         std::span<const float> scales,
                                         ZstdEncoder* zstd, ByteVector* out,
                                         ScaleCoding* coding) {
  const size_t start = out->size();
  values_.resize(scales.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    values_[i] = std::bit_cast<uint32_t>(scales[i]);
  }
  QSTORE_RETURN_IF_ERROR(AppendPlanes(values_, 4, zstd, out));
  *coding = ScaleCoding::kFloat32;
  const bool all_absmax = VisitFormat(format, [&](auto tag) {
    for (size_t i = 0; i < scales.size(); ++i) {
      const auto absmax = AbsmaxOf<decltype(tag)::value>(scales[i]);
      if (!absmax) {
        return false;
      }
      values_[i] = *absmax;
    }
    return true;
  });
  if (!all_absmax) {
    return absl::OkStatus();
  }
  const size_t middle = out->size();
  QSTORE_RETURN_IF_ERROR(AppendPlanes(values_, FloatBytes(format), zstd, out));
  if (out->size() - middle < middle - start) {
    out->erase(out->begin() + static_cast<ptrdiff_t>(start),
               out->begin() + static_cast<ptrdiff_t>(middle));
    *coding = ScaleCoding::kAbsmax;
  } else {
    out->resize(middle);
  }
  return absl::OkStatus();
}

absl::Status DecodeScales(FloatFormat format, ScaleCoding coding, ByteView* in,
                          ZstdDecoder* zstd, ByteVector* scratch,
                          std::span<float> scales) {
  const uint32_t element_bytes =
      coding == ScaleCoding::kFloat32 ? 4 : FloatBytes(format);
  scratch->resize(scales.size());
  for (uint32_t plane = 0; plane < element_bytes; ++plane) {
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(in, *scratch));
    for (size_t i = 0; i < scales.size(); ++i) {
      const uint32_t below =
          plane == 0 ? 0 : std::bit_cast<uint32_t>(scales[i]);
      scales[i] =
          std::bit_cast<float>(below | uint32_t{(*scratch)[i]} << 8 * plane);
    }
  }
  for (float& scale : scales) {
    const uint32_t bits =
        RestoreSign(std::bit_cast<uint32_t>(scale), element_bytes);
    scale = coding == ScaleCoding::kFloat32
                ? std::bit_cast<float>(bits)
                : VisitFormat(format, [&](auto tag) {
                    return ToFloat<decltype(tag)::value>(bits) / kLargestCode;
                  });
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
