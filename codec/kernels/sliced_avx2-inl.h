// Kernels of the sliced coder for AVX2 with BMI2: a block is two registers.
// Included once for each target by sliced_kernels_simd.cc.
//
// There is only a signed comparison of bytes, so nodes and bounds are kept with
// bit 7 flipped: n - 128 as a signed byte. 2n - bound + bit then needs no other
// formula: 2(n - 128) - (bound - 128) + bit = (2n - bound + bit) - 128.
#if defined(QSTORE_CODEC_SLICED_AVX2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_SLICED_AVX2_INL_H_
#undef QSTORE_CODEC_SLICED_AVX2_INL_H_
#else
#define QSTORE_CODEC_SLICED_AVX2_INL_H_
#endif

#include "base/bytes.h"
#include "codec/int8/sliced_records.h"
#include "codec/kernels/sliced_kernels.h"
#include "hwy/highway.h"

#if HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX2
#include <immintrin.h>

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// Half a block; the two take turns, so that one computes while the other waits.
constexpr size_t kHalf = kSlicedBlock / 2;

HWY_INLINE __m256i LoadHalf(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
HWY_INLINE void StoreHalf(__m256i value, void* to) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

HWY_INLINE __m256i FlipTopBits(__m256i bytes) {
  return _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
}

// 0xFF in the bytes whose top bit is set.
HWY_INLINE __m256i SpreadTopBits(__m256i bytes) {
  return _mm256_cmpgt_epi8(_mm256_setzero_si256(), bytes);
}

// 0xFF in the bytes whose bit is set.
HWY_INLINE __m256i SpreadBits(uint32_t bits) {
  const __m256i byte_of_lane = _mm256_setr_epi64x(
      0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_lane =
      _mm256_set1_epi64x(static_cast<int64_t>(uint64_t{0x8040201008040201}));
  const __m256i spread = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(bits)), byte_of_lane);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of_lane), bit_of_lane);
}

// Bounds of a level, flipped, for a look-up by table.
struct LevelBounds {
  __m256i by_table;

  HWY_INLINE void Load(const uint8_t* bounds) {
    by_table = FlipTopBits(_mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i*>(bounds))));
  }
  // The shuffle takes indexes modulo 16.
  HWY_INLINE __m256i Of(__m256i table_of) const {
    return _mm256_shuffle_epi8(by_table, table_of);
  }
};

// 32 bits are within 8 bytes wherever they start.
HWY_INLINE __m256i DescendHalf(const LevelBounds& bounds, __m256i table_of,
                               const uint8_t* bytes, uint64_t* next_bit,
                               __m256i nodes) {
  const __m256i bound = bounds.Of(table_of);
  const __m256i stays = _mm256_cmpgt_epi8(bound, nodes);
  const auto goes_on = ~static_cast<uint32_t>(_mm256_movemask_epi8(stays));
  const auto bits = static_cast<uint32_t>(_pdep_u64(
      LoadLittleEndian<uint64_t>(bytes + (*next_bit >> 3)) >> (*next_bit & 7),
      goes_on));
  *next_bit += static_cast<uint64_t>(_mm_popcnt_u32(goes_on));
  const __m256i more =
      _mm256_andnot_si256(stays, _mm256_sub_epi8(nodes, bound));
  return _mm256_sub_epi8(_mm256_add_epi8(nodes, more), SpreadBits(bits));
}

template <uint32_t kLevels, uint32_t kLevel = 0>
HWY_INLINE void Descend(const LevelBounds* bounds, const __m256i (&table_of)[2],
                        const uint8_t* bytes, uint64_t* next_bit,
                        __m256i (&nodes)[2]) {
  if constexpr (kLevel < kLevels) {
    for (int half = 0; half < 2; ++half) {
      nodes[half] = DescendHalf(bounds[kLevel], table_of[half], bytes,
                                &next_bit[kLevel], nodes[half]);
    }
    Descend<kLevels, kLevel + 1>(bounds, table_of, bytes, next_bit, nodes);
  }
}

HWY_INLINE __m256i AscendHalf(const LevelBounds& bounds, __m256i table_of,
                              uint8_t* bytes, uint64_t* next_bit,
                              __m256i nodes) {
  const __m256i bound = bounds.Of(table_of);
  const __m256i stays = _mm256_cmpgt_epi8(bound, nodes);
  const auto goes_on = ~static_cast<uint32_t>(_mm256_movemask_epi8(stays));
  // The flips cancel out in the lowest bit of the sum.
  const __m256i odd = _mm256_xor_si256(nodes, bound);
  const auto odd_bits =
      static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(odd, 7)));
  uint8_t* to = bytes + (*next_bit >> 3);
  StoreLittleEndian(
      *to | uint64_t{_pext_u32(odd_bits, goes_on)} << (*next_bit & 7), to);
  *next_bit += static_cast<uint64_t>(_mm_popcnt_u32(goes_on));
  // The average rounds up.
  const __m256i half =
      _mm256_sub_epi8(_mm256_avg_epu8(FlipTopBits(nodes), FlipTopBits(bound)),
                      _mm256_and_si256(odd, _mm256_set1_epi8(1)));
  return _mm256_blendv_epi8(FlipTopBits(half), nodes, stays);
}

template <uint32_t kLevel>
HWY_INLINE void Ascend(const LevelBounds* bounds, const __m256i (&table_of)[2],
                       uint8_t* bytes, uint64_t* next_bit,
                       __m256i (&nodes)[2]) {
  if constexpr (kLevel > 0) {
    constexpr uint32_t kThis = kLevel - 1;
    for (int half = 0; half < 2; ++half) {
      nodes[half] = AscendHalf(bounds[kThis], table_of[half], bytes,
                               &next_bit[kThis], nodes[half]);
    }
    Ascend<kThis>(bounds, table_of, bytes, next_bit, nodes);
  }
}

// Shifts the bytes of a field so that each part comes to the lowest bits: a
// field of k bits has 8k bytes, which are here once for each part.
template <uint32_t kBits>
HWY_INLINE __m256i PartShifts(size_t half) {
  if constexpr (kBits == 4) {
    return half == 0 ? _mm256_setzero_si256() : _mm256_set1_epi64x(4);
  } else if constexpr (kBits == 2) {
    return half == 0 ? _mm256_setr_epi64x(0, 0, 2, 2)
                     : _mm256_setr_epi64x(4, 4, 6, 6);
  } else {
    return half == 0 ? _mm256_setr_epi64x(0, 1, 2, 3)
                     : _mm256_setr_epi64x(4, 5, 6, 7);
  }
}

// Half of a field of a record, in the lowest bits of each byte.
template <uint32_t kBits>
HWY_INLINE __m256i UnpackField(const uint8_t* bytes, size_t half) {
  __m256i parts;
  if constexpr (kBits == 4) {
    parts = LoadHalf(bytes);
  } else if constexpr (kBits == 2) {
    parts = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  } else {
    parts = _mm256_set1_epi64x(LoadLittleEndian<int64_t>(bytes));
  }
  return _mm256_and_si256(_mm256_srlv_epi64(parts, PartShifts<kBits>(half)),
                          _mm256_set1_epi8((1 << kBits) - 1));
}

// `values` shifted right by kShift.
template <uint32_t kBits, uint32_t kShift>
HWY_INLINE void PackField(const __m256i (&values)[2], uint8_t* bytes) {
  __m256i parts = _mm256_setzero_si256();
  for (size_t half = 0; half < 2; ++half) {
    const __m256i field =
        _mm256_and_si256(_mm256_srli_epi16(values[half], kShift),
                         _mm256_set1_epi8((1 << kBits) - 1));
    parts = _mm256_or_si256(parts,
                            _mm256_sllv_epi64(field, PartShifts<kBits>(half)));
  }
  if constexpr (kBits == 4) {
    StoreHalf(parts, bytes);
    return;
  }
  const __m128i quarters = _mm_or_si128(_mm256_castsi256_si128(parts),
                                        _mm256_extracti128_si256(parts, 1));
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
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t half = 0; half < 2; ++half) {
      const uint8_t* bytes = records;
      __m256i values = _mm256_setzero_si256();
      if constexpr ((kWidth & 4) != 0) {
        values = UnpackField<4>(bytes, half);
        bytes += kSlicedBlock / 2;
      }
      if constexpr ((kWidth & 2) != 0) {
        values = _mm256_or_si256(
            values, _mm256_slli_epi16(UnpackField<2>(bytes, half), kWidth & 4));
        bytes += kSlicedBlock / 4;
      }
      if constexpr ((kWidth & 1) != 0) {
        values = _mm256_or_si256(
            values, _mm256_slli_epi16(UnpackField<1>(bytes, half), kWidth & 6));
      }
      const __m256i sign = _mm256_and_si256(
          _mm256_slli_epi16(values, 7 - kShortestBits), _mm256_set1_epi8(-128));
      const __m256i node =
          _mm256_and_si256(values, _mm256_set1_epi8((1 << kShortestBits) - 1));
      StoreHalf(_mm256_or_si256(node, sign), nodes);
      nodes += kHalf;
    }
    records += kWidth * kSlicedBlock / 8;
  }
}

template <uint32_t kShortestBits>
HWY_INLINE void PackNodes(const uint8_t* nodes, size_t blocks,
                          uint8_t* records) {
  constexpr uint32_t kWidth = kShortestBits + 1;
  for (size_t block = 0; block < blocks; ++block) {
    __m256i values[2];
    for (__m256i& half : values) {
      const __m256i node = LoadHalf(nodes);
      const __m256i sign =
          _mm256_and_si256(_mm256_srli_epi16(node, 7 - kShortestBits),
                           _mm256_set1_epi8(1 << kShortestBits));
      half = _mm256_or_si256(
          _mm256_and_si256(node, _mm256_set1_epi8((1 << kShortestBits) - 1)),
          sign);
      nodes += kHalf;
    }
    if constexpr ((kWidth & 4) != 0) {
      PackField<4, 0>(values, records);
      records += kSlicedBlock / 2;
    }
    if constexpr ((kWidth & 2) != 0) {
      PackField<2, kWidth & 4>(values, records);
      records += kSlicedBlock / 4;
    }
    if constexpr ((kWidth & 1) != 0) {
      PackField<1, kWidth & 6>(values, records);
      records += kSlicedBlock / 8;
    }
  }
}

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
    const __m256i start[2] = {LoadHalf(nodes + i), LoadHalf(nodes + i + kHalf)};
    const __m256i tables_of[2] = {LoadHalf(table_of + i),
                                  LoadHalf(table_of + i + kHalf)};
    const __m256i top = _mm256_set1_epi8(-128);
    __m256i flipped[2] = {_mm256_or_si256(start[0], top),
                          _mm256_or_si256(start[1], top)};
    Descend<kLevels>(bounds, tables_of, levels->bytes, next_bit, flipped);
    for (size_t half = 0; half < 2; ++half) {
      StoreHalf(_mm256_xor_si256(FlipTopBits(flipped[half]),
                                 SpreadTopBits(start[half])),
                codes + i + half * kHalf);
    }
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
    const __m256i code[2] = {LoadHalf(codes + i), LoadHalf(codes + i + kHalf)};
    const __m256i tables_of[2] = {LoadHalf(table_of + i),
                                  LoadHalf(table_of + i + kHalf)};
    __m256i flipped[2];
    for (size_t half = 0; half < 2; ++half) {
      flipped[half] =
          FlipTopBits(_mm256_xor_si256(code[half], SpreadTopBits(code[half])));
    }
    Ascend<kLevels>(bounds, tables_of, levels->bytes, next_bit, flipped);
    const __m256i top = _mm256_set1_epi8(-128);
    for (size_t half = 0; half < 2; ++half) {
      StoreHalf(_mm256_or_si256(FlipTopBits(flipped[half]),
                                _mm256_and_si256(code[half], top)),
                nodes + i + half * kHalf);
    }
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

#endif  // HWY_ARCH_X86_64 && HWY_TARGET == HWY_AVX2

#endif  // per-target include guard
