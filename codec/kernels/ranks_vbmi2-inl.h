// Rank kernels for x86 with AVX-512 VBMI and VBMI2 (Highway's AVX3_DL).
// Included once for each such target by kernels_simd.cc.
//
// 64 weights at a time. Widths, thresholds and lowest ordinals come from byte
// tables of 128 entries, each one permutation of two registers. For each width
// a mask says which bytes belong to it; an expansion spreads the next staged
// values of that width over them, and a compression collects them.
#if defined(QSTORE_CODEC_RANKS_VBMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS_VBMI2_INL_H_
#undef QSTORE_CODEC_RANKS_VBMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS_VBMI2_INL_H_
#endif

#include <immintrin.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "codec/interval.h"
#include "codec/residual/rank_cursor.h"
#include "codec/residual/rank_steps-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

constexpr size_t kStep = 64;  // weights

HWY_INLINE __m512i Load512(const void* from) {
  return _mm512_loadu_si512(from);
}
HWY_INLINE void Store512(__m512i value, void* to) {
  _mm512_storeu_si512(to, value);
}

HWY_INLINE size_t PopCount(uint64_t mask) {
  return static_cast<size_t>(_mm_popcnt_u64(mask));
}

// 128 bytes, found by the low seven bits of each index.
struct ByteTable {
  __m512i low;
  __m512i high;

  HWY_INLINE __m512i Find(__m512i index) const {
    return _mm512_permutex2var_epi8(low, index, high);
  }
};

HWY_INLINE ByteTable WidthTable(const IntervalTable& table) {
  return {Load512(table.width), Load512(table.width + 64)};
}

// Byte kByte of 128 words.
template <int kByte>
HWY_INLINE ByteTable BytesOf(const uint32_t* words) {
  __m512i half[2];
  for (int i = 0; i < 2; ++i) {
    __m512i bytes = _mm512_setzero_si512();
    const auto quarter = [&](int j) HWY_ATTR {
      return _mm512_cvtepi32_epi8(
          _mm512_srli_epi32(Load512(words + 64 * i + 16 * j), 8 * kByte));
    };
    bytes = _mm512_inserti32x4(bytes, quarter(0), 0);
    bytes = _mm512_inserti32x4(bytes, quarter(1), 1);
    bytes = _mm512_inserti32x4(bytes, quarter(2), 2);
    half[i] = _mm512_inserti32x4(bytes, quarter(3), 3);
  }
  return {half[0], half[1]};
}

// Takes the bits at the set places of `mask`, lowest first, and appends them.
HWY_INLINE void AppendExtraBits(uint64_t bits, uint64_t mask,
                                EncodeCursor* cursor) {
  const auto low = static_cast<uint32_t>(mask);
  const auto high = static_cast<uint32_t>(mask >> 32);
  const auto low_count = static_cast<uint32_t>(_mm_popcnt_u32(low));
  const auto high_count = static_cast<uint32_t>(_mm_popcnt_u32(high));
  cursor->extra.Put(_pext_u32(static_cast<uint32_t>(bits), low), low_count);
  cursor->extra.Put(_pext_u32(static_cast<uint32_t>(bits >> 32), high),
                    high_count);
  cursor->extra_bit_count += low_count + high_count;
}

// The next popcount(mask) extra bits, at the mask's places.
HWY_INLINE uint64_t ReadExtraBits(uint64_t mask, BitSource* source) {
  const uint64_t bits = _pdep_u64(source->Peek64(), mask);
  source->position_bits += PopCount(mask);
  return bits;
}

// The byte planes of 64 values; 0 where there is none.
template <uint32_t kPlanes>
HWY_INLINE void ReadRanks(const WidthList& list, __m512i widths,
                          const uint8_t** ranks, __m512i (&planes)[kPlanes]) {
  for (__m512i& plane : planes) {
    plane = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < list.count; ++i) {
    const uint32_t width = list.widths[i];
    const __mmask64 mask = _mm512_cmpeq_epi8_mask(
        widths, _mm512_set1_epi8(static_cast<char>(width)));
    const uint8_t* next = ranks[width];
    planes[0] = _mm512_mask_expand_epi8(planes[0], mask, Load512(next));
    for (uint32_t plane = 1; plane < kPlanes; ++plane) {
      if (width > 8 * plane) {
        planes[plane] = _mm512_mask_expand_epi8(
            planes[plane], mask, Load512(next + plane * kStagePlaneBytes));
      }
    }
    ranks[width] = next + PopCount(mask);
  }
}

template <uint32_t kPlanes>
HWY_INLINE void WriteRanks(const WidthList& list, __m512i widths,
                           const __m512i (&planes)[kPlanes], uint8_t** ranks) {
  for (size_t i = 0; i < list.count; ++i) {
    const uint32_t width = list.widths[i];
    const __mmask64 mask = _mm512_cmpeq_epi8_mask(
        widths, _mm512_set1_epi8(static_cast<char>(width)));
    uint8_t* next = ranks[width];
    // To a register first: compression to memory is slow on Zen 4.
    Store512(_mm512_maskz_compress_epi8(mask, planes[0]), next);
    for (uint32_t plane = 1; plane < kPlanes; ++plane) {
      if (width > 8 * plane) {
        Store512(_mm512_maskz_compress_epi8(mask, planes[plane]),
                 next + plane * kStagePlaneBytes);
      }
    }
    ranks[width] = next + PopCount(mask);
  }
}

// Eight values of `bits` bits are `bits` bytes: where those lie among 64 / bits
// groups of eight bytes, and the other way round.
struct PackShuffle {
  alignas(64) uint8_t packed_byte_of_unpacked[64];
  alignas(64) uint8_t unpacked_byte_of_packed[64];
  alignas(64) uint8_t first_bit[64];
};

constexpr PackShuffle MakePackShuffle(uint32_t bits) {
  PackShuffle shuffle = {};
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t group = i / 8;
    const uint32_t place = i % 8;
    shuffle.packed_byte_of_unpacked[i] =
        static_cast<uint8_t>((group * bits + place) % 64);
    shuffle.first_bit[i] = static_cast<uint8_t>(place * bits);
    if (place < bits) {
      shuffle.unpacked_byte_of_packed[group * bits + place] =
          static_cast<uint8_t>(i);
    }
  }
  return shuffle;
}

constexpr std::array<PackShuffle, 9> kPackShuffles = {
    MakePackShuffle(1), MakePackShuffle(1), MakePackShuffle(2),
    MakePackShuffle(3), MakePackShuffle(4), MakePackShuffle(5),
    MakePackShuffle(6), MakePackShuffle(7), MakePackShuffle(8)};

inline void PackValues(const uint8_t* values, size_t groups, uint32_t bits,
                       uint8_t* packed) {
  if (bits == 8) {
    std::memcpy(packed, values, groups * kPackedGroup);
    return;
  }
  const __m512i shuffle = Load512(kPackShuffles[bits].unpacked_byte_of_packed);
  // Each step joins neighbours: a + b * 2^bits.
  const __m512i join_bytes =
      _mm512_set1_epi16(static_cast<int16_t>(1u << (8 + bits) | 1));
  const __m512i join_words =
      _mm512_set1_epi32(static_cast<int>(1u << (16 + 2 * bits) | 1));
  const __m128i join_shift = _mm_cvtsi32_si128(static_cast<int>(32 - 4 * bits));
  const __m512i low_mask =
      _mm512_set1_epi64(static_cast<int64_t>((uint64_t{1} << 4 * bits) - 1));
  for (size_t i = 0; i < groups; ++i) {
    const __m512i bytes = Load512(values + i * kPackedGroup);
    const __m512i words = _mm512_maddubs_epi16(join_bytes, bytes);
    const __m512i pairs = _mm512_madd_epi16(words, join_words);
    // low_mask ? pairs : pairs >> shift
    const __m512i joined = _mm512_ternarylogic_epi64(
        low_mask, pairs, _mm512_srl_epi64(pairs, join_shift), 0xCA);
    Store512(_mm512_permutexvar_epi8(shuffle, joined), packed);
    packed += bits * (kPackedGroup / 8);
  }
}

inline void UnpackValues(const uint8_t* packed, size_t groups, uint32_t bits,
                         uint8_t* values) {
  if (bits == 8) {
    std::memcpy(values, packed, groups * kPackedGroup);
    return;
  }
  const __m512i shuffle = Load512(kPackShuffles[bits].packed_byte_of_unpacked);
  const __m512i first_bit = Load512(kPackShuffles[bits].first_bit);
  const __m512i mask = _mm512_set1_epi8(static_cast<char>((1u << bits) - 1));
  for (size_t i = 0; i < groups; ++i) {
    const __m512i words = _mm512_permutexvar_epi8(shuffle, Load512(packed));
    Store512(
        _mm512_and_si512(_mm512_multishift_epi64_epi8(first_bit, words), mask),
        values + i * kPackedGroup);
    packed += bits * (kPackedGroup / 8);
  }
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
