#include "codec/sparse_subgroups.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/float_bits.h"
#include "codec/position_planes.h"

namespace qstore::codec {
namespace {

// Where the pieces of a code-0 weight go: the sign and mantissa, sign on top,
// in whole bytes from the top down, so that only the lowest plane is partly
// filled; then the exponent deficit.
struct CodeZeroLayout {
  uint32_t mantissa_bits;
  uint32_t low_plane_bits;       // of sign and mantissa
  uint32_t mantissa_planes;      // of sign and mantissa
  uint32_t exponent_field_mask;  // shifted down

  explicit constexpr CodeZeroLayout(FloatFormat format)
      : mantissa_bits(MantissaBits(format)),
        low_plane_bits(mantissa_bits % 8 + 1),
        mantissa_planes(mantissa_bits / 8 + 1),
        exponent_field_mask(InfinityOrdinal(format) >> mantissa_bits) {}

  // Of a plane of sign and mantissa.
  constexpr uint32_t Shift(uint32_t plane) const {
    return plane == 0 ? 0 : low_plane_bits + 8 * (plane - 1);
  }
  constexpr uint32_t Mask(uint32_t plane) const {
    return plane == 0 ? (1u << low_plane_bits) - 1 : 0xFF;
  }
};

uint32_t SignAndMantissa(FloatFormat format, const CodeZeroLayout& layout,
                         uint32_t value) {
  const uint32_t sign = (value & SignMask(format)) != 0 ? 1 : 0;
  return sign << layout.mantissa_bits |
         (value & ((1u << layout.mantissa_bits) - 1));
}

}  // namespace

absl::Status EncodeCodeZeros(FloatFormat format,
                             std::span<const uint32_t> values,
                             ZstdEncoder* zstd, ByteVector* scratch,
                             ByteVector* blob) {
  const CodeZeroLayout layout(format);
  blob->clear();
  scratch->resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    // The exponent is counted up from the zero interval's end: negate it.
    (*scratch)[i] = static_cast<uint8_t>(
        (0 - (values[i] >> layout.mantissa_bits)) & layout.exponent_field_mask);
  }
  QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, blob));
  for (uint32_t plane = 0; plane < layout.mantissa_planes; ++plane) {
    for (size_t i = 0; i < values.size(); ++i) {
      (*scratch)[i] = static_cast<uint8_t>(
          SignAndMantissa(format, layout, values[i]) >> layout.Shift(plane) &
          layout.Mask(plane));
    }
    QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, blob));
  }
  return absl::OkStatus();
}

absl::Status DecodeCodeZeros(FloatFormat format, ByteView blob,
                             ZstdDecoder* zstd, ByteVector* scratch,
                             std::span<uint32_t> values) {
  const CodeZeroLayout layout(format);
  scratch->resize(values.size());
  QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, *scratch));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = ((0 - uint32_t{(*scratch)[i]}) & layout.exponent_field_mask)
                << layout.mantissa_bits;
  }
  for (uint32_t plane = 0; plane < layout.mantissa_planes; ++plane) {
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, *scratch));
    const bool has_sign = plane + 1 == layout.mantissa_planes;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t piece = ((*scratch)[i] & layout.Mask(plane))
                             << layout.Shift(plane);
      const uint32_t sign = piece >> layout.mantissa_bits;
      values[i] |=
          has_sign && sign != 0
              ? (piece ^ (1u << layout.mantissa_bits)) | SignMask(format)
              : piece;
    }
  }
  if (!blob.empty()) {
    return absl::DataLossError(absl::StrCat("the code-zero subgroup has ",
                                            blob.size(), " bytes too many"));
  }
  return absl::OkStatus();
}

absl::Status EncodeExceptions(FloatFormat format,
                              std::span<const Exception> exceptions,
                              ZstdEncoder* zstd, ByteVector* scratch,
                              ByteVector* blob) {
  blob->clear();
  QSTORE_RETURN_IF_ERROR(AppendPositions(
      exceptions.size(), [&](size_t i) { return exceptions[i].position; }, zstd,
      scratch, blob));
  for (uint32_t plane = 0; plane < FloatBytes(format); ++plane) {
    for (size_t i = 0; i < exceptions.size(); ++i) {
      (*scratch)[i] = static_cast<uint8_t>(exceptions[i].bits >> 8 * plane);
    }
    QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, blob));
  }
  return absl::OkStatus();
}

absl::Status ApplyExceptions(FloatFormat format, ByteView blob, size_t count,
                             uint64_t weight_count, ZstdDecoder* zstd,
                             ByteVector* scratch,
                             std::vector<uint32_t>* positions,
                             MutableByteView weights) {
  QSTORE_RETURN_IF_ERROR(
      TakePositions(&blob, count, weight_count, zstd, scratch, positions));
  const uint32_t weight_bytes = FloatBytes(format);
  for (uint32_t plane = 0; plane < weight_bytes; ++plane) {
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, *scratch));
    for (size_t i = 0; i < count; ++i) {
      weights[size_t{(*positions)[i]} * weight_bytes + plane] = (*scratch)[i];
    }
  }
  if (!blob.empty()) {
    return absl::DataLossError(
        absl::StrCat("the exceptions have ", blob.size(), " bytes too many"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
