// Rank kernels of FP32 for x86 with AVX-512 VBMI2: see ranks_vbmi2-inl.h. Ranks
// have up to three byte planes; bytes become words by two steps of unpacking.
#if defined(QSTORE_CODEC_RANKS32_VBMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS32_VBMI2_INL_H_
#undef QSTORE_CODEC_RANKS32_VBMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS32_VBMI2_INL_H_
#endif

#include "codec/kernels/ranks_vbmi2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// 64 words of 32 bits in order.
struct Words32 {
  __m512i quarters[4];
};

// Moves groups of four bytes so that unpacking leaves words in order.
HWY_INLINE __m512i ForUnpack32(__m512i bytes) {
  return _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
      bytes);
}

// Words from their bytes, lowest first, after ForUnpack32.
HWY_INLINE Words32 Unpack32(__m512i byte0, __m512i byte1, __m512i byte2,
                            __m512i byte3) {
  const __m512i low[2] = {_mm512_unpacklo_epi8(byte0, byte1),
                          _mm512_unpackhi_epi8(byte0, byte1)};
  const __m512i high[2] = {_mm512_unpacklo_epi8(byte2, byte3),
                           _mm512_unpackhi_epi8(byte2, byte3)};
  return {{_mm512_unpacklo_epi16(low[0], high[0]),
           _mm512_unpackhi_epi16(low[0], high[0]),
           _mm512_unpacklo_epi16(low[1], high[1]),
           _mm512_unpackhi_epi16(low[1], high[1])}};
}

// Byte kByte of every word.
template <int kByte>
HWY_INLINE __m512i BytesOf(const Words32& words) {
  alignas(64) static constexpr auto kPlaces = [] {
    std::array<uint8_t, 64> places = {};
    for (size_t i = 0; i < places.size(); ++i) {
      places[i] = static_cast<uint8_t>(4 * (i % 32) + kByte);
    }
    return places;
  }();
  const __m512i places = Load512(kPlaces.data());
  const __m512i first =
      _mm512_permutex2var_epi8(words.quarters[0], places, words.quarters[1]);
  const __m512i second =
      _mm512_permutex2var_epi8(words.quarters[2], places, words.quarters[3]);
  return _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
}

// Bit 16 i + j of `lanes` is word j of quarter i.
HWY_INLINE __mmask16 LanesOf(uint64_t lanes, int quarter) {
  return static_cast<__mmask16>(lanes >> 16 * quarter);
}

HWY_INLINE __m512i AddToExponent32(__m512i words, uint32_t added) {
  const __m512i exponent =
      _mm512_set1_epi32(static_cast<int>(InfinityOrdinal(FloatFormat::kF32)));
  const __m512i sum =
      _mm512_add_epi32(words, _mm512_set1_epi32(static_cast<int>(added)));
  return _mm512_ternarylogic_epi32(exponent, sum, words, 0xCA);
}

// Lowest ordinals and thresholds by code magnitude.
struct Tables32 {
  ByteTable lowest[4];
  ByteTable threshold[3];

  HWY_INLINE explicit Tables32(const IntervalTable& table)
      : lowest{BytesOf<0>(table.lowest), BytesOf<1>(table.lowest),
               BytesOf<2>(table.lowest), BytesOf<3>(table.lowest)},
        threshold{BytesOf<0>(table.threshold), BytesOf<1>(table.threshold),
                  BytesOf<2>(table.threshold)} {}

  // `moved` is after ForUnpack32.
  HWY_INLINE Words32 Lowest(__m512i moved) const {
    return Unpack32(lowest[0].Find(moved), lowest[1].Find(moved),
                    lowest[2].Find(moved), lowest[3].Find(moved));
  }
  HWY_INLINE Words32 Threshold(__m512i moved) const {
    return Unpack32(threshold[0].Find(moved), threshold[1].Find(moved),
                    threshold[2].Find(moved), _mm512_setzero_si512());
  }
};

inline void DecodeRanks32(const IntervalTable& table, const int8_t* codes,
                          size_t count, DecodeCursor* cursor,
                          uint8_t* weights) {
  const Tables32 tables(table);
  const ByteTable width_table = WidthTable(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m512i zero = _mm512_setzero_si512();
  const __m512i minus_one = _mm512_set1_epi32(-1);
  const __m512i sign_bit =
      _mm512_set1_epi32(static_cast<int>(SignMask(FloatFormat::kF32)));
  BitSource extra = cursor->extra;
  const uint8_t* next_code_zero = cursor->next_code_zero;
  ForEachStep<FloatFormat::kF32, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, uint8_t* out, uint64_t lanes,
          size_t) HWY_ATTR {
        const __m512i code = Load512(step_codes);
        const __m512i magnitude = _mm512_abs_epi8(code);
        __m512i planes[kMaxPlanes];
        ReadRanks(list, width_table.Find(magnitude), cursor->ranks, planes);
        const __m512i moved = ForUnpack32(magnitude);
        const Words32 lowest = tables.Lowest(moved);
        const Words32 threshold = tables.Threshold(moved);
        const Words32 value =
            Unpack32(ForUnpack32(planes[0]), ForUnpack32(planes[1]),
                     ForUnpack32(planes[2]), zero);
        uint64_t above = 0;
        for (int i = 0; i < 4; ++i) {
          above |= uint64_t{_mm512_cmpge_epu32_mask(value.quarters[i],
                                                    threshold.quarters[i])}
                   << 16 * i;
        }
        const uint64_t bits = ReadExtraBits(above, &extra);
        const uint64_t negative = _mm512_movepi8_mask(code);
        const uint64_t zeros =
            _mm512_testn_epi8_mask(code, _mm512_set1_epi8(127)) & lanes;
        for (int i = 0; i < 4; ++i) {
          // 2 value - threshold + extra bit at and above the threshold.
          __m512i ordinal =
              _mm512_add_epi32(lowest.quarters[i], value.quarters[i]);
          ordinal = _mm512_mask_add_epi32(
              ordinal, LanesOf(above, i), ordinal,
              _mm512_sub_epi32(value.quarters[i], threshold.quarters[i]));
          ordinal = _mm512_mask_sub_epi32(ordinal, LanesOf(bits, i), ordinal,
                                          minus_one);
          ordinal = _mm512_sll_epi32(ordinal, grid);
          ordinal = _mm512_mask_or_epi32(ordinal, LanesOf(negative, i), ordinal,
                                         sign_bit);
          const __mmask16 zero_lanes = LanesOf(zeros, i);
          ordinal = _mm512_mask_expand_epi32(
              ordinal, zero_lanes,
              AddToExponent32(Load512(next_code_zero), table.zero_exponent));
          next_code_zero += sizeof(uint32_t) * PopCount(zero_lanes);
          Store512(ordinal, out + 64 * i);
        }
      });
  cursor->extra = extra;
  cursor->next_code_zero = next_code_zero;
}

inline void EncodeRanks32(const IntervalTable& table, const uint8_t* weights,
                          const int8_t* codes, size_t count,
                          EncodeCursor* cursor) {
  const Tables32 tables(table);
  const ByteTable width_table = WidthTable(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m512i grid_mask =
      _mm512_set1_epi32(static_cast<int>((1u << table.grid) - 1));
  const __m512i ordinal_mask = _mm512_set1_epi32(0x7FFFFFFF);
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i two = _mm512_set1_epi32(2);
  const __m512i zero = _mm512_setzero_si512();
  ForEachStep<FloatFormat::kF32, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, const uint8_t* in, uint64_t lanes,
          size_t offset) HWY_ATTR {
        const __m512i code = Load512(step_codes);
        const __m512i magnitude = _mm512_abs_epi8(code);
        const __m512i widths = width_table.Find(magnitude);
        const __m512i moved = ForUnpack32(magnitude);
        const Words32 lowest = tables.Lowest(moved);
        const Words32 threshold = tables.Threshold(moved);
        const Words32 width_words =
            Unpack32(ForUnpack32(widths), zero, zero, zero);
        const uint64_t negative = _mm512_movepi8_mask(code);
        const uint64_t zeros =
            _mm512_testn_epi8_mask(code, _mm512_set1_epi8(127));
        uint64_t regular = 0;
        uint64_t above = 0;
        uint64_t extra_bits = 0;
        Words32 value;
        for (int i = 0; i < 4; ++i) {
          const __m512i bits = Load512(in + 64 * i);
          const __m512i ordinal = _mm512_and_si512(bits, ordinal_mask);
          const __m512i distance = _mm512_sub_epi32(
              _mm512_srl_epi32(ordinal, grid), lowest.quarters[i]);
          // 2^(width + 1) - 1 - threshold.
          const __m512i last = _mm512_sub_epi32(
              _mm512_sub_epi32(_mm512_sllv_epi32(two, width_words.quarters[i]),
                               one),
              threshold.quarters[i]);
          const __mmask16 same_sign =
              _mm512_movepi32_mask(bits) ^
              static_cast<__mmask16>(~LanesOf(negative, i));
          const __mmask16 is_regular = _mm512_mask_cmple_epu32_mask(
              _mm512_mask_testn_epi32_mask(same_sign, ordinal, grid_mask),
              distance, last);
          const __m512i rank = _mm512_maskz_mov_epi32(is_regular, distance);
          const __mmask16 is_above =
              _mm512_cmpge_epu32_mask(rank, threshold.quarters[i]);
          const __m512i sum = _mm512_add_epi32(rank, threshold.quarters[i]);
          value.quarters[i] = _mm512_mask_srli_epi32(rank, is_above, sum, 1);
          regular |= uint64_t{is_regular} << 16 * i;
          above |= uint64_t{is_above} << 16 * i;
          extra_bits |= uint64_t{_mm512_test_epi32_mask(sum, one)} << 16 * i;
          const __mmask16 zero_lanes = LanesOf(zeros & lanes, i);
          Store512(
              AddToExponent32(_mm512_maskz_compress_epi32(zero_lanes, bits),
                              0 - table.zero_exponent),
              cursor->next_code_zero);
          cursor->next_code_zero += sizeof(uint32_t) * PopCount(zero_lanes);
        }
        const __m512i planes[kMaxPlanes] = {
            BytesOf<0>(value), BytesOf<1>(value), BytesOf<2>(value)};
        WriteRanks(list, widths, planes, cursor->ranks);
        AppendExtraBits(extra_bits, above, cursor);
        AppendExceptions<FloatFormat::kF32>(~(regular | zeros), offset, in,
                                            cursor);
      });
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
