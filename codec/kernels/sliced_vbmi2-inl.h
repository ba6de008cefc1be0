// The loops of the sliced coder for AVX-512 with VBMI2. Few codes of a block go
// on at the deeper levels: those of a whole batch are compressed into a few
// registers, which go down together, and are expanded again. Included once for
// each target by sliced_kernels_simd.cc.
#if defined(QSTORE_CODEC_SLICED_VBMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_SLICED_VBMI2_INL_H_
#undef QSTORE_CODEC_SLICED_VBMI2_INL_H_
#else
#define QSTORE_CODEC_SLICED_VBMI2_INL_H_
#endif

#include <algorithm>

#include "codec/int8/sliced_records.h"
#include "codec/kernels/sliced_avx512-inl.h"
#include "codec/kernels/sliced_kernels.h"
#include "hwy/highway.h"

#if HWY_ARCH_X86_64 && HWY_TARGET < HWY_AVX3
#include <immintrin.h>

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// The codes of a batch that go on behind the busy levels, in weight order.
class DeepCodes {
 public:
  // Adds those of a block.
  HWY_INLINE void Compress(__mmask64 goes_on, __m512i table_of, __m512i nodes) {
    goes_on_[blocks_++] = goes_on;
    _mm512_storeu_si512(nodes_ + count_,
                        _mm512_maskz_compress_epi8(goes_on, nodes));
    _mm512_storeu_si512(table_of_ + count_,
                        _mm512_maskz_compress_epi8(goes_on, table_of));
    count_ += static_cast<size_t>(_mm_popcnt_u64(goes_on));
  }

  // Calls step(valid, table_of, &nodes) for every 64 of them.
  template <typename Step>
  HWY_INLINE void ForEach(const Step& step) {
    for (size_t i = 0; i < count_; i += kSlicedBlock) {
      const __mmask64 valid = _bzhi_u64(
          ~uint64_t{0}, static_cast<uint32_t>(std::min(count_ - i, kMaxValid)));
      __m512i nodes = _mm512_loadu_si512(nodes_ + i);
      step(valid, _mm512_loadu_si512(table_of_ + i), &nodes);
      _mm512_storeu_si512(nodes_ + i, nodes);
    }
  }

  // Puts those of a block back, block after block.
  HWY_INLINE __m512i Expand(size_t block, __m512i nodes) {
    const __mmask64 goes_on = goes_on_[block];
    nodes = _mm512_mask_expand_epi8(nodes, goes_on,
                                    _mm512_loadu_si512(nodes_ + expanded_));
    expanded_ += static_cast<size_t>(_mm_popcnt_u64(goes_on));
    return nodes;
  }

 private:
  static constexpr size_t kMaxValid = kSlicedBlock;

  size_t blocks_ = 0;
  size_t count_ = 0;
  size_t expanded_ = 0;
  __mmask64 goes_on_[kMaxSlicedBatchBlocks];
  alignas(64) uint8_t nodes_[kSlicedBatch + kSlicedBlock];
  alignas(64) uint8_t table_of_[kSlicedBatch + kSlicedBlock];
};

template <uint32_t kBusyLevels>
HWY_NOINLINE void NodesToCodes(const SlicedTables& tables,
                               const uint8_t* table_of, size_t blocks,
                               LevelSource* levels, uint8_t* codes) {
  LevelBounds bounds[kBusyLevels + 1];
  uint64_t next_bit[kBusyLevels + 1];
  for (uint32_t level = 0; level < kBusyLevels; ++level) {
    bounds[level].Load(tables.bounds[level]);
    next_bit[level] = levels->next_bit[level];
  }
  bounds[kBusyLevels].Load(tables.bounds[kBusyLevels]);
  DeepCodes deep;
  const __m512i magnitude_bits = _mm512_set1_epi8(0x7F);
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    const __m512i start = _mm512_loadu_si512(codes + i);
    const __m512i tables_of = _mm512_loadu_si512(table_of + i);
    const __m512i nodes =
        Descend<kBusyLevels>(bounds, tables_of, levels->bytes, next_bit,
                             _mm512_and_si512(start, magnitude_bits));
    deep.Compress(
        _mm512_cmpge_epu8_mask(nodes, bounds[kBusyLevels].Of(tables_of)),
        tables_of, nodes);
    // The sign is still that of `start`.
    _mm512_storeu_si512(
        codes + i,
        _mm512_or_si512(nodes, _mm512_andnot_si512(magnitude_bits, start)));
  }
  for (uint32_t level = 0; level < kBusyLevels; ++level) {
    levels->next_bit[level] = next_bit[level];
  }
  deep.ForEach([&](__mmask64 valid, __m512i tables_of,
                   __m512i* nodes) HWY_ATTR {
    for (uint32_t level = kBusyLevels; level < tables.level_count; ++level) {
      bounds[0].Load(tables.bounds[level]);
      *nodes = DescendLevel(bounds[0], tables_of, valid, levels->bytes,
                            &levels->next_bit[level], *nodes);
    }
  });
  for (size_t block = 0; block < blocks; ++block) {
    uint8_t* code = codes + block * kSlicedBlock;
    const __m512i node = _mm512_loadu_si512(code);
    const __m512i sign = _mm512_movm_epi8(_mm512_movepi8_mask(node));
    const __m512i magnitudes =
        deep.Expand(block, _mm512_and_si512(node, magnitude_bits));
    _mm512_storeu_si512(code, _mm512_xor_si512(magnitudes, sign));
  }
}

template <uint32_t kBusyLevels>
HWY_NOINLINE void CodesToNodes(const SlicedTables& tables,
                               const uint8_t* table_of, size_t blocks,
                               const int8_t* codes, LevelSink* levels,
                               uint8_t* nodes) {
  LevelBounds bounds[kBusyLevels + 1];
  uint64_t next_bit[kBusyLevels + 1];
  for (uint32_t level = 0; level < kBusyLevels; ++level) {
    bounds[level].Load(tables.bounds[level]);
    next_bit[level] = levels->next_bit[level];
  }
  bounds[kBusyLevels].Load(tables.bounds[kBusyLevels]);
  DeepCodes deep;
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    const __m512i code = _mm512_loadu_si512(codes + i);
    const __m512i tables_of = _mm512_loadu_si512(table_of + i);
    const __m512i sign = _mm512_movm_epi8(_mm512_movepi8_mask(code));
    const __m512i magnitudes = _mm512_xor_si512(code, sign);
    deep.Compress(
        _mm512_cmpge_epu8_mask(magnitudes, bounds[kBusyLevels].Of(tables_of)),
        tables_of, magnitudes);
  }
  LevelBounds deep_bounds;
  deep.ForEach([&](__mmask64 valid, __m512i tables_of,
                   __m512i* deep_nodes) HWY_ATTR {
    for (uint32_t level = tables.level_count; level-- > kBusyLevels;) {
      deep_bounds.Load(tables.bounds[level]);
      *deep_nodes = AscendLevel(deep_bounds, tables_of, valid, levels->bytes,
                                &levels->next_bit[level], *deep_nodes);
    }
  });
  for (size_t block = 0; block < blocks; ++block) {
    const size_t i = block * kSlicedBlock;
    const __m512i code = _mm512_loadu_si512(codes + i);
    const __m512i sign = _mm512_movm_epi8(_mm512_movepi8_mask(code));
    const __m512i start = Ascend<kBusyLevels>(
        bounds, _mm512_loadu_si512(table_of + i), levels->bytes, next_bit,
        deep.Expand(block, _mm512_xor_si512(code, sign)));
    _mm512_storeu_si512(
        nodes + i,
        _mm512_or_si512(start, _mm512_and_si512(sign, _mm512_set1_epi8(-128))));
  }
  for (uint32_t level = 0; level < kBusyLevels; ++level) {
    levels->next_bit[level] = next_bit[level];
  }
}

// The most that the loops are made for.
constexpr uint32_t kMostBusyLevels = 4;

HWY_INLINE uint32_t BusyLevels(const SlicedTables& tables) {
  return std::min(tables.busy_levels, kMostBusyLevels);
}

void DecodeNodes(const SlicedTables& tables, const uint8_t* table_of,
                 size_t blocks, LevelSource* levels, int8_t* codes) {
  VisitNumber<kMostBusyLevels>(BusyLevels(tables), [&](auto count) HWY_ATTR {
    NodesToCodes<decltype(count)::value>(tables, table_of, blocks, levels,
                                         reinterpret_cast<uint8_t*>(codes));
  });
}

void EncodeNodes(const SlicedTables& tables, const uint8_t* table_of,
                 size_t blocks, const int8_t* codes, LevelSink* levels,
                 uint8_t* nodes) {
  VisitNumber<kMostBusyLevels>(BusyLevels(tables), [&](auto count) HWY_ATTR {
    CodesToNodes<decltype(count)::value>(tables, table_of, blocks, codes,
                                         levels, nodes);
  });
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_ARCH_X86_64 && HWY_TARGET < HWY_AVX3

#endif  // per-target include guard
