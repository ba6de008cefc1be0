// Quantization and interval tables in portable vector code. Included once for
// each target by kernels_simd.cc.
#if defined(QSTORE_CODEC_QUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_QUANTIZE_INL_H_
#undef QSTORE_CODEC_QUANTIZE_INL_H_
#else
#define QSTORE_CODEC_QUANTIZE_INL_H_
#endif

#include <algorithm>

#include "codec/float_bits.h"
#include "codec/interval.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatLanes = hn::ScalableTag<float>;
using IntLanes = hn::RebindToSigned<FloatLanes>;
using UintLanes = hn::RebindToUnsigned<FloatLanes>;
using FloatVec = hn::Vec<FloatLanes>;
using IntVec = hn::Vec<IntLanes>;

// As NearestOrdinal in float_bits.h, and ToFloat of ordinals.
template <FloatFormat kFormat>
HWY_INLINE IntVec NearestOrdinals(FloatVec x) {
  const IntLanes di;
  const IntVec bits = hn::BitCast(di, x);
  if constexpr (kFormat == FloatFormat::kF32) {
    return bits;
  } else if constexpr (kFormat == FloatFormat::kBF16) {
    const IntVec odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 1));
    return hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(di, 0x7FFF)), odd));
  } else {
    const FloatLanes df;
    // The clamps keep each branch inside its range; its result is used only
    // there.
    const auto is_subnormal = hn::Lt(x, hn::Set(df, 0x1p-14f));
    const IntVec subnormal = hn::NearestInt(
        hn::Mul(hn::Min(x, hn::Set(df, 0x1p-14f)), hn::Set(df, 0x1p24f)));
    const IntVec capped = hn::BitCast(di, hn::Min(x, hn::Set(df, 65520.0f)));
    const IntVec odd = hn::And(hn::ShiftRight<13>(capped), hn::Set(di, 1));
    const IntVec normal = hn::ShiftRight<13>(
        hn::Add(hn::Add(capped, hn::Set(di, 0xFFF - 0x38000000)), odd));
    return hn::IfThenElse(hn::RebindMask(di, is_subnormal), subnormal, normal);
  }
}

template <FloatFormat kFormat>
HWY_INLINE FloatVec OrdinalsToFloats(IntVec ordinals) {
  const FloatLanes df;
  const IntLanes di;
  if constexpr (kFormat == FloatFormat::kF32) {
    return hn::BitCast(df, ordinals);
  } else if constexpr (kFormat == FloatFormat::kBF16) {
    return hn::BitCast(df, hn::ShiftLeft<16>(ordinals));
  } else {
    const IntVec shifted = hn::ShiftLeft<13>(ordinals);
    const IntVec normal = hn::Add(shifted, hn::Set(di, 0x38000000));
    // Infinity and NaN: the exponent field gets all its bits.
    const IntVec special = hn::Or(shifted, hn::Set(di, 0x7F800000));
    const FloatVec subnormal =
        hn::Mul(hn::ConvertTo(df, ordinals), hn::Set(df, 0x1p-24f));
    const IntVec not_small =
        hn::IfThenElse(hn::Gt(ordinals, hn::Set(di, 0x7BFF)), special, normal);
    return hn::IfThenElse(
        hn::RebindMask(df, hn::Lt(ordinals, hn::Set(di, 0x400))), subnormal,
        hn::BitCast(df, not_small));
  }
}

// As many weights as a vector has floats.
template <FloatFormat kFormat>
HWY_INLINE FloatVec LoadFloats(const uint8_t* weights) {
  const FloatLanes df;
  const IntLanes di;
  if constexpr (kFormat == FloatFormat::kF32) {
    const hn::Repartition<uint8_t, FloatLanes> bytes;
    return hn::BitCast(df, hn::LoadU(bytes, weights));
  } else {
    const hn::Rebind<uint16_t, FloatLanes> d16;
    const hn::Repartition<uint8_t, decltype(d16)> bytes;
    const IntVec bits =
        hn::PromoteTo(di, hn::BitCast(d16, hn::LoadU(bytes, weights)));
    const IntVec sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(di, 0x8000)));
    const FloatVec magnitude =
        OrdinalsToFloats<kFormat>(hn::And(bits, hn::Set(di, 0x7FFF)));
    return hn::Or(hn::BitCast(df, sign), magnitude);
  }
}

template <FloatFormat kFormat>
uint32_t LargestFiniteOrdinal(const uint8_t* weights, size_t count) {
  // Ordinals below infinity are positive as signed integers, so signed
  // comparison does.
  using Signed =
      std::conditional_t<kFormat == FloatFormat::kF32, int32_t, int16_t>;
  const hn::ScalableTag<Signed> d;
  const hn::Repartition<uint8_t, decltype(d)> bytes;
  const auto magnitude = hn::Set(d, static_cast<Signed>(SignMask(kFormat) - 1));
  const auto infinity =
      hn::Set(d, static_cast<Signed>(InfinityOrdinal(kFormat)));
  auto largest = hn::Zero(d);
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto ordinals =
        hn::And(hn::BitCast(d, hn::LoadU(bytes, weights + i * sizeof(Signed))),
                magnitude);
    largest = hn::Max(largest,
                      hn::IfThenElseZero(hn::Lt(ordinals, infinity), ordinals));
  }
  alignas(64) Signed each[hn::MaxLanes(d)];
  hn::Store(largest, d, each);
  auto result = static_cast<uint32_t>(*std::max_element(each, each + lanes));
  for (; i < count; ++i) {
    const uint32_t ordinal =
        LoadWeight<kFormat>(weights, i) & ~SignMask(kFormat);
    if (ordinal < InfinityOrdinal(kFormat)) {
      result = std::max(result, ordinal);
    }
  }
  return result;
}

template <FloatFormat kFormat>
void RoundToCodes(const uint8_t* weights, size_t count, float scale,
                  int8_t* codes) {
  const FloatLanes df;
  const hn::Rebind<int8_t, FloatLanes> d8;
  const size_t lanes = hn::Lanes(df);
  const FloatVec divisor = hn::Set(df, scale);
  const FloatVec largest = hn::Set(df, 127.0f);
  const FloatVec smallest = hn::Set(df, -127.0f);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const FloatVec quotient = hn::Div(
        LoadFloats<kFormat>(weights + i * FloatBytes(kFormat)), divisor);
    const FloatVec number =
        hn::IfThenElseZero(hn::Eq(quotient, quotient), quotient);
    const FloatVec clamped = hn::Min(hn::Max(number, smallest), largest);
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(clamped)), d8, codes + i);
  }
  ScalarKernels().round_to_codes(kFormat, weights + i * FloatBytes(kFormat),
                                 count - i, scale, codes + i);
}

// As LowestOrdinal, for a vector of code magnitudes.
//
// The guess is the ordinal nearest to (a - 0.5) s. Product and quotient are
// each off by at most half a unit of float32's last place, so in the 16-bit
// formats the boundary is the guess or the next ordinal, and in FP32 it is at
// most two ordinals away.
template <FloatFormat kFormat>
HWY_INLINE IntVec LowestOrdinals(FloatVec magnitudes, FloatVec scale) {
  const FloatLanes df;
  const IntLanes di;
  const FloatVec guess = hn::Mul(hn::Sub(magnitudes, hn::Set(df, 0.5f)), scale);
  IntVec ordinals = NearestOrdinals<kFormat>(guess);
  const auto falls_short = [&](IntVec candidates) HWY_ATTR {
    const FloatVec quotient =
        hn::Min(hn::Div(OrdinalsToFloats<kFormat>(candidates), scale),
                hn::Set(df, 1024.0f));
    return hn::VecFromMask(
        di, hn::RebindMask(di, hn::Lt(hn::Round(quotient), magnitudes)));
  };
  if constexpr (kFormat != FloatFormat::kF32) {
    return hn::Sub(ordinals, falls_short(ordinals));
  } else {
    // Count the candidates that fall short. Those below 0 do, and those from
    // infinity on do not.
    const IntVec infinity =
        hn::Set(di, static_cast<int32_t>(InfinityOrdinal(kFormat)));
    const IntVec first = hn::Sub(ordinals, hn::Set(di, 2));
    ordinals = first;
    for (int step = 0; step <= 4; ++step) {
      const IntVec candidates = hn::Add(first, hn::Set(di, step));
      const IntVec inside =
          hn::Min(hn::Max(candidates, hn::Zero(di)), infinity);
      ordinals = hn::Sub(ordinals, falls_short(inside));
    }
    return ordinals;
  }
}

template <FloatFormat kFormat>
void BuildTable(float scale, uint32_t grid, IntervalTable* table) {
  const FloatLanes df;
  const IntLanes di;
  const UintLanes du;
  const hn::Rebind<uint8_t, IntLanes> d8;
  const size_t lanes = hn::Lanes(df);
  const FloatVec divisor = hn::Set(df, scale);
  const IntVec round_up = hn::Set(di, static_cast<int32_t>((1u << grid) - 1));
  const int shift = static_cast<int>(grid);
  // Boundaries 0..128, and room for whole vectors.
  alignas(64) int32_t boundary[128 + hn::MaxLanes(df)];
  int32_t zero_end = 0;
  for (size_t a = 0; a <= 128; a += lanes) {
    const FloatVec magnitudes =
        hn::Add(hn::Iota(df, 0), hn::Set(df, static_cast<float>(a)));
    const IntVec ordinals = LowestOrdinals<kFormat>(magnitudes, divisor);
    if (a <= 1 && 1 < a + lanes) {
      hn::Store(ordinals, di, boundary + a);
      zero_end = boundary[1];
    }
    hn::Store(hn::ShiftRightSame(hn::Add(ordinals, round_up), shift), di,
              boundary + a);
  }
  const IntVec one = hn::Set(di, 1);
  auto widths = hn::Zero(du);
  for (size_t a = 0; a < 128; a += lanes) {
    const IntVec lowest = hn::Load(di, boundary + a);
    const IntVec count =
        hn::Max(hn::Sub(hn::LoadU(di, boundary + a + 1), lowest), one);
    // floor(log2(count - 1)) is the exponent of the float, which is exact.
    const IntVec exponent = hn::ShiftRight<23>(
        hn::BitCast(di, hn::ConvertTo(df, hn::Sub(count, one))));
    const IntVec width =
        hn::Max(hn::Sub(exponent, hn::Set(di, 127)), hn::Zero(di));
    const auto power = hn::Shl(hn::Set(du, 1), hn::BitCast(du, width));
    widths = hn::Or(widths, power);
    hn::Store(hn::BitCast(du, lowest), du, table->lowest + a);
    hn::Store(hn::Sub(hn::Add(power, power), hn::BitCast(du, count)), du,
              table->threshold + a);
    hn::StoreU(hn::DemoteTo(d8, width), d8, table->width + a);
    if (a == 0) {
      // Magnitude 0 has no interval, so it must not count.
      widths = hn::Zero(du);
    }
  }
  alignas(64) uint32_t each[hn::MaxLanes(du)];
  hn::Store(widths, du, each);
  table->widths = 0;
  for (size_t i = 0; i < lanes; ++i) {
    table->widths |= each[i];
  }
  for (size_t a = 1; a < lanes; ++a) {
    table->widths |= 1u << table->width[a];
  }
  table->lowest[0] = 0;
  table->threshold[0] = 1;
  table->width[0] = 0;
  table->zero_exponent =
      (static_cast<uint32_t>(zero_end) - 1) & InfinityOrdinal(kFormat);
  table->grid = grid;
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
