#include "codec/residual/sparse_subgroups.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/float_bits.h"
#include "codec/residual/position_planes.h"

namespace qstore::codec {
namespace {

// Where the pieces of a code-0 weight go: the sign and mantissa, sign on top,
// in whole bytes from the top down, so that only the lowest plane is partly
// filled; then the exponent deficit.
template <FloatFormat kFormat>
struct CodeZeroLayout {
  using Bits = WeightBits<kFormat>;
  static constexpr uint32_t kMantissaBits = MantissaBits(kFormat);
  static constexpr uint32_t kSignShift = 8 * sizeof(Bits) - 1;
  // Shifted down.
  static constexpr uint32_t kExponentMask =
      InfinityOrdinal(kFormat) >> kMantissaBits;
  // Of sign and mantissa.
  static constexpr uint32_t kPlanes = kMantissaBits / 8 + 1;
  static constexpr uint32_t kLowPlaneBits = kMantissaBits % 8 + 1;

  static constexpr uint32_t Shift(uint32_t plane) {
    return plane == 0 ? 0 : kLowPlaneBits + 8 * (plane - 1);
  }
  static constexpr uint32_t Mask(uint32_t plane) {
    return plane == 0 ? (1u << kLowPlaneBits) - 1 : 0xFF;
  }

  // The exponent is counted down from the zero interval's end, in the cursors
  // up from it.
  static uint8_t Deficit(uint32_t value) {
    return static_cast<uint8_t>((0 - (value >> kMantissaBits)) & kExponentMask);
  }
  static Bits FromDeficit(uint8_t deficit) {
    return static_cast<Bits>(((0 - uint32_t{deficit}) & kExponentMask)
                             << kMantissaBits);
  }

  static uint8_t Piece(uint32_t value, uint32_t plane) {
    const uint32_t sign_and_mantissa = (value >> kSignShift) << kMantissaBits |
                                       (value & ((1u << kMantissaBits) - 1));
    return static_cast<uint8_t>(sign_and_mantissa >> Shift(plane) &
                                Mask(plane));
  }
  static Bits FromPiece(uint8_t piece, uint32_t plane) {
    const uint32_t sign_and_mantissa = (piece & Mask(plane)) << Shift(plane);
    return static_cast<Bits>((sign_and_mantissa >> kMantissaBits)
                                 << kSignShift |
                             (sign_and_mantissa & ((1u << kMantissaBits) - 1)));
  }
};

}  // namespace

absl::Status EncodeCodeZeros(FloatFormat format, ByteView values,
                             ZstdEncoder* zstd, ByteVector* scratch,
                             ByteVector* blob) {
  blob->clear();
  return VisitFormat(format, [&](auto tag) -> absl::Status {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    using Layout = CodeZeroLayout<kFormat>;
    const size_t count = values.size() / FloatBytes(kFormat);
    scratch->resize(count);
    blob->reserve(values.size() + ZstdEncoder::Bound(count));
    for (size_t i = 0; i < count; ++i) {
      (*scratch)[i] = Layout::Deficit(LoadWeight<kFormat>(values.data(), i));
    }
    QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, blob));
    for (uint32_t plane = 0; plane < Layout::kPlanes; ++plane) {
      for (size_t i = 0; i < count; ++i) {
        (*scratch)[i] =
            Layout::Piece(LoadWeight<kFormat>(values.data(), i), plane);
      }
      QSTORE_RETURN_IF_ERROR(zstd->AppendPlane(*scratch, blob));
    }
    return absl::OkStatus();
  });
}

absl::Status DecodeCodeZeros(FloatFormat format, ByteView blob,
                             ZstdDecoder* zstd, ByteVector* scratch,
                             MutableByteView values) {
  const absl::Status status =
      VisitFormat(format, [&](auto tag) -> absl::Status {
        constexpr FloatFormat kFormat = decltype(tag)::value;
        using Layout = CodeZeroLayout<kFormat>;
        const size_t count = values.size() / FloatBytes(kFormat);
        scratch->resize(count);
        QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, *scratch));
        for (size_t i = 0; i < count; ++i) {
          StoreWeight<kFormat>(Layout::FromDeficit((*scratch)[i]),
                               values.data(), i);
        }
        for (uint32_t plane = 0; plane < Layout::kPlanes; ++plane) {
          QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, *scratch));
          for (size_t i = 0; i < count; ++i) {
            const uint32_t below = LoadWeight<kFormat>(values.data(), i);
            StoreWeight<kFormat>(
                below | Layout::FromPiece((*scratch)[i], plane), values.data(),
                i);
          }
        }
        return absl::OkStatus();
      });
  QSTORE_RETURN_IF_ERROR(status);
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
  // The higher planes of the gaps are nearly nothing.
  blob->reserve(exceptions.size() * (1 + FloatBytes(format)) +
                2 * ZstdEncoder::Bound(exceptions.size()));
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
