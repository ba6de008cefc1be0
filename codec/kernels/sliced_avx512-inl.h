// Kernels of the sliced coder for AVX-512 (BW) with BMI2: a block is one
// register, and which of its codes go on is a mask register. Included once for
// each target by sliced_kernels_simd.cc.
#if defined(QSTORE_CODEC_SLICED_AVX512_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_SLICED_AVX512_INL_H_
#undef QSTORE_CODEC_SLICED_AVX512_INL_H_
#else
#define QSTORE_CODEC_SLICED_AVX512_INL_H_
#endif

#include "base/bytes.h"
#include "codec/kernels/sliced_kernels.h"
#include "hwy/highway.h"

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
#include <immintrin.h>

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// Bounds of a level for a look-up by table.
struct LevelBounds {
  __m512i by_table;

  HWY_INLINE void Load(const uint8_t* bounds) {
    by_table = _mm512_broadcast_i32x4(
        _mm_load_si128(reinterpret_cast<const __m128i*>(bounds)));
  }
  // The shuffle takes indexes modulo 16.
  HWY_INLINE __m512i Of(__m512i table_of) const {
    return _mm512_shuffle_epi8(by_table, table_of);
  }
};

// The next 64 bits of a stream, from the two words that they are in. (Shifts
// take the shift modulo 64.)
HWY_INLINE uint64_t LoadBits(const uint8_t* bytes, uint64_t bit) {
  const uint8_t* words = bytes + (bit >> 6 << 3);
  return LoadLittleEndian<uint64_t>(words) >> (bit & 63) |
         LoadLittleEndian<uint64_t>(words + 8) << 1 << (~bit & 63);
}

// Appends to a stream whose last word has no bit at or above `bit`.
HWY_INLINE void StoreBits(uint64_t bits, uint64_t bit, uint8_t* bytes) {
  uint8_t* words = bytes + (bit >> 6 << 3);
  StoreLittleEndian(LoadLittleEndian<uint64_t>(words) | bits << (bit & 63),
                    words);
  StoreLittleEndian(bits >> 1 >> (~bit & 63), words + 8);
}

// One level down, for the codes of `valid`.
HWY_INLINE __m512i DescendLevel(const LevelBounds& bounds, __m512i table_of,
                                __mmask64 valid, const uint8_t* bytes,
                                uint64_t* next_bit, __m512i nodes) {
  const __m512i bound = bounds.Of(table_of);
  const __mmask64 goes_on = _mm512_mask_cmpge_epu8_mask(valid, nodes, bound);
  const __mmask64 bits = _pdep_u64(LoadBits(bytes, *next_bit), goes_on);
  *next_bit += static_cast<uint64_t>(_mm_popcnt_u64(goes_on));
  // 2 * node - bound + bit; a leaf, which is below its bound, stays.
  nodes = _mm512_add_epi8(nodes, _mm512_subs_epu8(nodes, bound));
  return _mm512_mask_sub_epi8(nodes, bits, nodes, _mm512_set1_epi8(-1));
}

// The inverse.
HWY_INLINE __m512i AscendLevel(const LevelBounds& bounds, __m512i table_of,
                               __mmask64 valid, uint8_t* bytes,
                               uint64_t* next_bit, __m512i nodes) {
  const __m512i bound = bounds.Of(table_of);
  const __mmask64 goes_on = _mm512_mask_cmpge_epu8_mask(valid, nodes, bound);
  const __m512i sum = _mm512_add_epi8(nodes, bound);
  const __mmask64 odd = _mm512_test_epi8_mask(sum, _mm512_set1_epi8(1));
  StoreBits(_pext_u64(odd, goes_on), *next_bit, bytes);
  *next_bit += static_cast<uint64_t>(_mm_popcnt_u64(goes_on));
  const __m512i half =
      _mm512_and_si512(_mm512_srli_epi16(sum, 1), _mm512_set1_epi8(0x7F));
  return _mm512_mask_mov_epi8(nodes, goes_on, half);
}

// Levels 0 .. kLevels - 1, and back.
template <uint32_t kLevels, uint32_t kLevel = 0>
HWY_INLINE __m512i Descend(const LevelBounds* bounds, __m512i table_of,
                           const uint8_t* bytes, uint64_t* next_bit,
                           __m512i nodes) {
  if constexpr (kLevel == kLevels) {
    return nodes;
  } else {
    nodes = DescendLevel(bounds[kLevel], table_of, ~__mmask64{0}, bytes,
                         &next_bit[kLevel], nodes);
    return Descend<kLevels, kLevel + 1>(bounds, table_of, bytes, next_bit,
                                        nodes);
  }
}

template <uint32_t kLevels>
HWY_INLINE __m512i Ascend(const LevelBounds* bounds, __m512i table_of,
                          uint8_t* bytes, uint64_t* next_bit, __m512i nodes) {
  if constexpr (kLevels == 0) {
    return nodes;
  } else {
    nodes = AscendLevel(bounds[kLevels - 1], table_of, ~__mmask64{0}, bytes,
                        &next_bit[kLevels - 1], nodes);
    return Ascend<kLevels - 1>(bounds, table_of, bytes, next_bit, nodes);
  }
}

// Shifts the bytes of a field so that each part comes to the lowest bits: a
// field of k bits has 8k bytes, which are here once for each part.
template <uint32_t kBits>
HWY_INLINE __m512i PartShifts() {
  if constexpr (kBits == 4) {
    return _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
  } else if constexpr (kBits == 2) {
    return _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6);
  } else {
    return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  }
}

// A field of a record, in the lowest bits of each byte.
template <uint32_t kBits>
HWY_INLINE __m512i UnpackField(const uint8_t* bytes) {
  __m512i parts;
  if constexpr (kBits == 4) {
    parts = _mm512_broadcast_i64x4(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  } else if constexpr (kBits == 2) {
    parts = _mm512_broadcast_i32x4(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  } else {
    parts = _mm512_set1_epi64(LoadLittleEndian<int64_t>(bytes));
  }
  return _mm512_and_si512(_mm512_srlv_epi64(parts, PartShifts<kBits>()),
                          _mm512_set1_epi8((1 << kBits) - 1));
}

template <uint32_t kBits>
HWY_INLINE void PackField(__m512i values, uint8_t* bytes) {
  const __m512i parts = _mm512_sllv_epi64(
      _mm512_and_si512(values, _mm512_set1_epi8((1 << kBits) - 1)),
      PartShifts<kBits>());
  const __m256i halves = _mm256_or_si256(_mm512_castsi512_si256(parts),
                                         _mm512_extracti64x4_epi64(parts, 1));
  if constexpr (kBits == 4) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), halves);
    return;
  }
  const __m128i quarters = _mm_or_si128(_mm256_castsi256_si128(halves),
                                        _mm256_extracti128_si256(halves, 1));
  if constexpr (kBits == 2) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), quarters);
  } else if constexpr (kBits == 1) {
    _mm_storel_epi64(
        reinterpret_cast<__m128i*>(bytes),
        _mm_or_si128(quarters, _mm_unpackhi_epi64(quarters, quarters)));
  }
}

template <uint32_t kShortestBits>
HWY_INLINE void UnpackNodes(const uint8_t* records, size_t blocks,
                            uint8_t* nodes) {
  constexpr uint32_t kWidth = kShortestBits + 1;
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    __m512i values = _mm512_setzero_si512();
    if constexpr ((kWidth & 4) != 0) {
      values = UnpackField<4>(records);
      records += kSlicedBlock / 2;
    }
    if constexpr ((kWidth & 2) != 0) {
      values = _mm512_or_si512(
          values, _mm512_slli_epi16(UnpackField<2>(records), kWidth & 4));
      records += kSlicedBlock / 4;
    }
    if constexpr ((kWidth & 1) != 0) {
      values = _mm512_or_si512(
          values, _mm512_slli_epi16(UnpackField<1>(records), kWidth & 6));
      records += kSlicedBlock / 8;
    }
    const __m512i sign = _mm512_and_si512(
        _mm512_slli_epi16(values, 7 - kShortestBits), _mm512_set1_epi8(-128));
    const __m512i node =
        _mm512_and_si512(values, _mm512_set1_epi8((1 << kShortestBits) - 1));
    _mm512_storeu_si512(nodes + i, _mm512_or_si512(node, sign));
  }
}

template <uint32_t kShortestBits>
HWY_INLINE void PackNodes(const uint8_t* nodes, size_t blocks,
                          uint8_t* records) {
  constexpr uint32_t kWidth = kShortestBits + 1;
  for (size_t i = 0; i < blocks * kSlicedBlock; i += kSlicedBlock) {
    const __m512i node = _mm512_loadu_si512(nodes + i);
    const __m512i sign =
        _mm512_and_si512(_mm512_srli_epi16(node, 7 - kShortestBits),
                         _mm512_set1_epi8(1 << kShortestBits));
    const __m512i values = _mm512_or_si512(
        _mm512_and_si512(node, _mm512_set1_epi8((1 << kShortestBits) - 1)),
        sign);
    if constexpr ((kWidth & 4) != 0) {
      PackField<4>(values, records);
      records += kSlicedBlock / 2;
    }
    if constexpr ((kWidth & 2) != 0) {
      PackField<2>(_mm512_srli_epi16(values, kWidth & 4), records);
      records += kSlicedBlock / 4;
    }
    if constexpr ((kWidth & 1) != 0) {
      PackField<1>(_mm512_srli_epi16(values, kWidth & 6), records);
      records += kSlicedBlock / 8;
    }
  }
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3

#endif  // per-target include guard
