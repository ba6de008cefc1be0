// Rank kernels for x86 with AVX2 and BMI2. Included once for each target by
// kernels_simd.cc. Highway has no pdep and no bit gather, so these use
// intrinsics.
//
// 32 weights at a time. Widths, thresholds and lowest ordinals come from byte
// tables of 128 entries, looked up by eight byte shuffles. For each width a
// mask says which bytes belong to it; pdep spreads the next staged values of
// that width over the masked bytes of eight lanes, and pext collects them.
#if defined(QSTORE_CODEC_RANKS_BMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS_BMI2_INL_H_
#undef QSTORE_CODEC_RANKS_BMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS_BMI2_INL_H_
#endif

#include <immintrin.h>

#include <cstring>

#include "base/bytes.h"
#include "codec/interval.h"
#include "codec/residual/rank_cursor.h"
#include "codec/residual/rank_steps-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

constexpr size_t kStep = 32;  // weights

// 128 bytes in 16-byte rows, each XORed with the row before it: a lookup then
// is the XOR of eight shuffles, in which index - 16 * row is negative, so that
// the shuffle gives 0, for the rows behind the one wanted.
struct ByteTable {
  alignas(32) __m128i rows[8];
};

HWY_INLINE void DifferenceRows(ByteTable* table) {
  for (int row = 7; row > 0; --row) {
    table->rows[row] = _mm_xor_si128(table->rows[row], table->rows[row - 1]);
  }
}

HWY_INLINE __m128i LoadWords(const uint32_t* words) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(words));
}

// The low and the high bytes of 128 words below 2^16.
HWY_INLINE void FillByteTables(const uint32_t* words, ByteTable* low,
                               ByteTable* high) {
  const __m128i low_byte = _mm_set1_epi16(0xFF);
  for (int row = 0; row < 8; ++row) {
    const uint32_t* from = words + 16 * row;
    const __m128i first =
        _mm_packus_epi32(LoadWords(from), LoadWords(from + 4));
    const __m128i second =
        _mm_packus_epi32(LoadWords(from + 8), LoadWords(from + 12));
    low->rows[row] = _mm_packus_epi16(_mm_and_si128(first, low_byte),
                                      _mm_and_si128(second, low_byte));
    high->rows[row] =
        _mm_packus_epi16(_mm_srli_epi16(first, 8), _mm_srli_epi16(second, 8));
  }
  DifferenceRows(low);
  DifferenceRows(high);
}

HWY_INLINE void FillWidthTable(const IntervalTable& intervals,
                               ByteTable* table) {
  std::memcpy(table->rows, intervals.width, sizeof(intervals.width));
  DifferenceRows(table);
}

template <size_t kTables>
HWY_INLINE void LookUp(const ByteTable (&tables)[kTables], __m256i magnitudes,
                       __m256i (&found)[kTables]) {
  const __m256i row_size = _mm256_set1_epi8(16);
  __m256i index = magnitudes;
  for (size_t t = 0; t < kTables; ++t) {
    found[t] = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(tables[t].rows[0]), index);
  }
  for (int row = 1; row < 8; ++row) {
    index = _mm256_sub_epi8(index, row_size);
    for (size_t t = 0; t < kTables; ++t) {
      found[t] = _mm256_xor_si256(
          found[t],
          _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(tables[t].rows[row]),
                              index));
    }
  }
}

// Eight byte masks as words, 0xFF in the bytes that have this width, and how
// many those are.
struct WidthMasks {
  alignas(32) uint64_t words[4];
  size_t counts[4];

  HWY_INLINE WidthMasks(uint32_t width, __m256i widths) {
    _mm256_store_si256(
        reinterpret_cast<__m256i*>(words),
        _mm256_cmpeq_epi8(widths, _mm256_set1_epi8(static_cast<char>(width))));
    for (int i = 0; i < 4; ++i) {
      counts[i] = static_cast<size_t>(_mm_popcnt_u64(words[i])) / 8;
    }
  }
};

// The byte planes of 32 values; 0 where there is none.
template <uint32_t kPlanes>
HWY_INLINE void ReadRanks(const WidthList& list, __m256i widths,
                          const uint8_t** ranks, __m256i (&planes)[kPlanes]) {
  uint64_t values[kPlanes][4] = {};
  for (size_t i = 0; i < list.count; ++i) {
    const uint32_t width = list.widths[i];
    const WidthMasks masks(width, widths);
    const uint8_t* next = ranks[width];
    for (int j = 0; j < 4; ++j) {
      for (uint32_t plane = 0; plane < kPlanes; ++plane) {
        if (plane == 0 || width > 8 * plane) {
          values[plane][j] |= _pdep_u64(
              LoadLittleEndian<uint64_t>(next + plane * kStagePlaneBytes),
              masks.words[j]);
        }
      }
      next += masks.counts[j];
    }
    ranks[width] = next;
  }
  for (uint32_t plane = 0; plane < kPlanes; ++plane) {
    planes[plane] = _mm256_set_epi64x(static_cast<int64_t>(values[plane][3]),
                                      static_cast<int64_t>(values[plane][2]),
                                      static_cast<int64_t>(values[plane][1]),
                                      static_cast<int64_t>(values[plane][0]));
  }
}

template <uint32_t kPlanes>
HWY_INLINE void WriteRanks(const WidthList& list, __m256i widths,
                           const __m256i (&planes)[kPlanes], uint8_t** ranks) {
  alignas(32) uint64_t values[kPlanes][4];
  for (uint32_t plane = 0; plane < kPlanes; ++plane) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(values[plane]),
                       planes[plane]);
  }
  for (size_t i = 0; i < list.count; ++i) {
    const uint32_t width = list.widths[i];
    const WidthMasks masks(width, widths);
    uint8_t* next = ranks[width];
    for (int j = 0; j < 4; ++j) {
      for (uint32_t plane = 0; plane < kPlanes; ++plane) {
        if (plane == 0 || width > 8 * plane) {
          StoreLittleEndian(_pext_u64(values[plane][j], masks.words[j]),
                            next + plane * kStagePlaneBytes);
        }
      }
      next += masks.counts[j];
    }
    ranks[width] = next;
  }
}

// The low `bits` bits of eight bytes.
HWY_INLINE uint64_t LowBitsOfBytes(uint32_t bits) {
  return uint64_t{0x0101010101010101} * ((1u << bits) - 1);
}

inline void PackValues(const uint8_t* values, size_t groups, uint32_t bits,
                       uint8_t* packed) {
  const uint64_t mask = LowBitsOfBytes(bits);
  for (size_t i = 0; i < groups * kPackedGroup; i += 8) {
    StoreLittleEndian(_pext_u64(LoadLittleEndian<uint64_t>(values + i), mask),
                      packed);
    packed += bits;
  }
}

inline void UnpackValues(const uint8_t* packed, size_t groups, uint32_t bits,
                         uint8_t* values) {
  const uint64_t mask = LowBitsOfBytes(bits);
  for (size_t i = 0; i < groups * kPackedGroup; i += 8) {
    StoreLittleEndian(_pdep_u64(LoadLittleEndian<uint64_t>(packed), mask),
                      values + i);
    packed += bits;
  }
}

// The next popcount(mask) extra bits, at the mask's places.
HWY_INLINE uint32_t ReadExtraBits(uint32_t mask, BitSource* source) {
  const auto bits = static_cast<uint32_t>(_pdep_u64(source->Peek(), mask));
  source->position_bits += static_cast<uint64_t>(_mm_popcnt_u32(mask));
  return bits;
}

// 0xFF in the bytes whose bit is set.
HWY_INLINE __m256i ExpandBits(uint32_t bits) {
  const __m256i byte_of_lane = _mm256_setr_epi64x(
      0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_lane =
      _mm256_set1_epi64x(static_cast<int64_t>(uint64_t{0x8040201008040201}));
  const __m256i spread = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(bits)), byte_of_lane);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of_lane), bit_of_lane);
}

// Magnitudes of codes: -128 counts as 0.
HWY_INLINE __m256i Magnitudes(__m256i codes) {
  return _mm256_and_si256(_mm256_abs_epi8(codes), _mm256_set1_epi8(127));
}

HWY_INLINE uint32_t ZeroBytes(__m256i bytes) {
  return static_cast<uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_setzero_si256())));
}

HWY_INLINE __m256i Load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
HWY_INLINE void Store256(__m256i value, void* to) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
