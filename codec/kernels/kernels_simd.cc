// The vector kernels, compiled once for each instruction set that Highway
// knows, and the choice among them at run time.
//
// Quantization and interval tables are portable vector code. The rank kernels
// need bit gather and scatter (BMI2) or byte expansion and two-register byte
// permutation (AVX-512 VBMI2), which Highway does not have: x86 from AVX2 on
// has them as intrinsics, every other target uses the reference.
#include <atomic>

#include "codec/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/kernels/kernels_simd.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
// These must come after foreach_target.h, and for each target.
#if HWY_TARGET != HWY_SCALAR
#include "codec/kernels/quantize-inl.h"
#endif
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3_DL
#include "codec/kernels/ranks16_vbmi2-inl.h"
#include "codec/kernels/ranks32_vbmi2-inl.h"
#define QSTORE_HAS_RANK_KERNELS 1
#elif HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
#include "codec/kernels/ranks16_bmi2-inl.h"
#include "codec/kernels/ranks32_bmi2-inl.h"
#define QSTORE_HAS_RANK_KERNELS 1
#else
#define QSTORE_HAS_RANK_KERNELS 0
#endif

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

const Kernels* TargetKernels() { return &ScalarKernels(); }

#else

float FiniteAbsmax(FloatFormat format, const uint8_t* weights, size_t count) {
  return VisitFormat(format, [&](auto tag) HWY_ATTR {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    return ToFloat<kFormat>(LargestFiniteOrdinal<kFormat>(weights, count));
  });
}

void RoundWeights(FloatFormat format, const uint8_t* weights, size_t count,
                  float scale, int8_t* codes) {
  VisitFormat(format, [&](auto tag) HWY_ATTR {
    RoundToCodes<decltype(tag)::value>(weights, count, scale, codes);
  });
}

void BuildTableOf(FloatFormat format, float scale, uint32_t grid,
                  IntervalTable* table) {
  if (!IsUsableScale(scale)) {
    BuildIntervalTable(format, scale, grid, table);
    return;
  }
  VisitFormat(format, [&](auto tag) HWY_ATTR {
    BuildTable<decltype(tag)::value>(scale, grid, table);
  });
}

#if QSTORE_HAS_RANK_KERNELS
void EncodeRanks(FloatFormat format, const IntervalTable& table,
                 const uint8_t* weights, const int8_t* codes, size_t count,
                 EncodeCursor* cursor) {
  VisitFormat(format, [&](auto tag) HWY_ATTR {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    if constexpr (kFormat == FloatFormat::kF32) {
      EncodeRanks32(table, weights, codes, count, cursor);
    } else {
      EncodeRanks16<kFormat>(table, weights, codes, count, cursor);
    }
  });
}

void DecodeRanks(FloatFormat format, const IntervalTable& table,
                 const int8_t* codes, size_t count, DecodeCursor* cursor,
                 uint8_t* weights) {
  VisitFormat(format, [&](auto tag) HWY_ATTR {
    constexpr FloatFormat kFormat = decltype(tag)::value;
    if constexpr (kFormat == FloatFormat::kF32) {
      DecodeRanks32(table, codes, count, cursor, weights);
    } else {
      DecodeRanks16<kFormat>(table, codes, count, cursor, weights);
    }
  });
}
#endif

const Kernels* TargetKernels() {
  static const Kernels kKernels = {
    hwy::TargetName(HWY_TARGET),
    FiniteAbsmax,
    RoundWeights,
    BuildTableOf,
#if QSTORE_HAS_RANK_KERNELS
    EncodeRanks,
    DecodeRanks,
    PackValues,
    UnpackValues
#else
    ScalarKernels().encode_ranks,
    ScalarKernels().decode_ranks,
    ScalarKernels().pack_values,
    ScalarKernels().unpack_values
#endif
  };
  return &kKernels;
}

#endif  // HWY_SCALAR

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#undef QSTORE_HAS_RANK_KERNELS

#if HWY_ONCE
namespace qstore::codec {

HWY_EXPORT(TargetKernels);

namespace {
std::atomic<bool> force_scalar = false;
}  // namespace

const Kernels& BestKernels() {
  return ScalarKernelsForced() ? ScalarKernels()
                               : *HWY_DYNAMIC_DISPATCH(TargetKernels)();
}

void ForceScalarKernels(bool force) {
  force_scalar.store(force, std::memory_order_relaxed);
}

bool ScalarKernelsForced() {
  return force_scalar.load(std::memory_order_relaxed);
}

}  // namespace qstore::codec
#endif  // HWY_ONCE
