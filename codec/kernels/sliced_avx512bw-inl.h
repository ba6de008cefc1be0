// The loops of the sliced coder for AVX-512 without VBMI2: all levels of a
// block at once. Included once for each target by sliced_kernels_simd.cc.
#if defined(QSTORE_CODEC_SLICED_AVX512BW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_SLICED_AVX512BW_INL_H_
#undef QSTORE_CODEC_SLICED_AVX512BW_INL_H_
#else
#define QSTORE_CODEC_SLICED_AVX512BW_INL_H_
#endif

#include "codec/int8/sliced_records.h"
#include "codec/kernels/sliced_avx512-inl.h"
#include "codec/kernels/sliced_kernels.h"
#include "hwy/highway.h"

#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX3
#include <immintrin.h>

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// `nodes` becomes `codes`, in place if they are the same memory.
template <uint32_t kLevels>
HWY_NOINLINE void NodesToCodes(const SlicedTables& tables,
                               const uint8_t* table_of, size_t blocks,
                               const uint8_t* nodes, LevelSource* levels,
                               int8_t* codes) {
  LevelBounds bounds[kLevels + 1];
  uint64_t next_bit[kLevels + 1];
  for (uint32_t level = 0; level < kLevels; ++level) {
    bounds[level].Load(tables.bounds[level]);
    next_bit[level] = levels->next_bit[level];
  }
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    const __m512i start = _mm512_loadu_si512(nodes + i);
    const __m512i sign = _mm512_movm_epi8(_mm512_movepi8_mask(start));
    const __m512i magnitudes = Descend<kLevels>(
        bounds, _mm512_loadu_si512(table_of + i), levels->bytes, next_bit,
        _mm512_and_si512(start, _mm512_set1_epi8(0x7F)));
    _mm512_storeu_si512(codes + i, _mm512_xor_si512(magnitudes, sign));
  }
  for (uint32_t level = 0; level < kLevels; ++level) {
    levels->next_bit[level] = next_bit[level];
  }
}

template <uint32_t kLevels>
HWY_NOINLINE void CodesToNodes(const SlicedTables& tables,
                               const uint8_t* table_of, size_t blocks,
                               const int8_t* codes, LevelSink* levels,
                               uint8_t* nodes) {
  LevelBounds bounds[kLevels + 1];
  uint64_t next_bit[kLevels + 1];
  for (uint32_t level = 0; level < kLevels; ++level) {
    bounds[level].Load(tables.bounds[level]);
    next_bit[level] = levels->next_bit[level];
  }
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    const __m512i code = _mm512_loadu_si512(codes + i);
    const __m512i sign = _mm512_movm_epi8(_mm512_movepi8_mask(code));
    const __m512i start =
        Ascend<kLevels>(bounds, _mm512_loadu_si512(table_of + i), levels->bytes,
                        next_bit, _mm512_xor_si512(code, sign));
    _mm512_storeu_si512(
        nodes + i,
        _mm512_or_si512(start, _mm512_and_si512(sign, _mm512_set1_epi8(-128))));
  }
  for (uint32_t level = 0; level < kLevels; ++level) {
    levels->next_bit[level] = next_bit[level];
  }
}

void DecodeNodes(const SlicedTables& tables, const uint8_t* table_of,
                 size_t blocks, LevelSource* levels, int8_t* codes) {
  VisitNumber<kMaxSlicedLevels>(tables.level_count, [&](auto count) HWY_ATTR {
    NodesToCodes<decltype(count)::value>(
        tables, table_of, blocks, reinterpret_cast<const uint8_t*>(codes),
        levels, codes);
  });
}

void EncodeNodes(const SlicedTables& tables, const uint8_t* table_of,
                 size_t blocks, const int8_t* codes, LevelSink* levels,
                 uint8_t* nodes) {
  VisitNumber<kMaxSlicedLevels>(tables.level_count, [&](auto count) HWY_ATTR {
    CodesToNodes<decltype(count)::value>(tables, table_of, blocks, codes,
                                         levels, nodes);
  });
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX3

#endif  // per-target include guard
