// What the rank kernels of all x86 targets share: the steps of a block, and the
// weights that have no rank. Included once for each target by kernels_simd.cc.
#if defined(QSTORE_CODEC_RANK_STEPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANK_STEPS_INL_H_
#undef QSTORE_CODEC_RANK_STEPS_INL_H_
#else
#define QSTORE_CODEC_RANK_STEPS_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "codec/float_bits.h"
#include "codec/interval.h"
#include "codec/residual/rank_cursor.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// The widths that a table has, without 0, ascending.
struct WidthList {
  uint8_t widths[kMaxWidth];
  size_t count = 0;

  HWY_INLINE explicit WidthList(uint32_t present) {
    for (uint32_t left = present & ~1u; left != 0; left &= left - 1) {
      widths[count++] = static_cast<uint8_t>(std::countr_zero(left));
    }
  }
};

// Calls step(codes, weights, lanes, offset) for every kStep weights; bit i of
// `lanes` is set when weight i exists. The last, shorter step works on copies
// whose other codes are 0, which take no rank.
template <FloatFormat kFormat, size_t kStep, typename Weights, typename Step>
HWY_INLINE void ForEachStep(const int8_t* codes, size_t count, Weights* weights,
                            const Step& step) {
  constexpr size_t kBytes = FloatBytes(kFormat);
  alignas(64) int8_t last_codes[kStep];
  alignas(64) uint8_t last_weights[kStep * kBytes];
  // One call, so that it is inlined.
  for (size_t i = 0; i < count; i += kStep) {
    const size_t left = count - i;
    const bool is_short = left < kStep;
    const int8_t* step_codes = codes + i;
    Weights* step_weights = weights + i * kBytes;
    uint64_t lanes = ~uint64_t{0} >> (64 - kStep);
    if (is_short) {
      std::memset(last_codes, 0, sizeof(last_codes));
      std::memcpy(last_codes, step_codes, left);
      std::memcpy(last_weights, step_weights, left * kBytes);
      step_codes = last_codes;
      step_weights = last_weights;
      lanes = (uint64_t{1} << left) - 1;
    }
    step(step_codes, step_weights, lanes, i);
    if constexpr (!std::is_const_v<Weights>) {
      if (is_short) {
        std::memcpy(weights + i * kBytes, last_weights, left * kBytes);
      }
    }
  }
}

// Stores the code-0 weights of a step at their lanes.
template <FloatFormat kFormat>
HWY_INLINE void StoreCodeZeros(uint64_t lanes, uint32_t zero_exponent,
                               DecodeCursor* cursor, uint8_t* weights) {
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t relative = LoadWeight<kFormat>(cursor->next_code_zero, 0);
    cursor->next_code_zero += FloatBytes(kFormat);
    StoreWeight<kFormat>(
        (relative & ~kExponent) | ((relative + zero_exponent) & kExponent),
        weights, static_cast<size_t>(std::countr_zero(lanes)));
  }
}

template <FloatFormat kFormat>
HWY_INLINE void AppendCodeZeros(uint64_t lanes, uint32_t zero_exponent,
                                const uint8_t* weights, EncodeCursor* cursor) {
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t bits = LoadWeight<kFormat>(
        weights, static_cast<size_t>(std::countr_zero(lanes)));
    StoreWeight<kFormat>(
        (bits & ~kExponent) | ((bits - zero_exponent) & kExponent),
        cursor->next_code_zero, 0);
    cursor->next_code_zero += FloatBytes(kFormat);
  }
}

template <FloatFormat kFormat>
HWY_INLINE void AppendExceptions(uint64_t lanes, size_t offset,
                                 const uint8_t* weights, EncodeCursor* cursor) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
    *cursor->next_exception++ = {
        cursor->block_position + static_cast<uint32_t>(offset) + lane,
        LoadWeight<kFormat>(weights, lane)};
  }
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
