// Rank kernels of the 16-bit formats for x86 with AVX-512 VBMI2: see
// ranks_vbmi2-inl.h. Ranks of BF16 are bytes, those of FP16 words.
#if defined(QSTORE_CODEC_RANKS16_VBMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS16_VBMI2_INL_H_
#undef QSTORE_CODEC_RANKS16_VBMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS16_VBMI2_INL_H_
#endif

#include "codec/kernels/ranks_vbmi2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// 64 words in order, two registers of them.
struct Words {
  __m512i first;
  __m512i second;
};

// Moves the quarters of a register so that unpacking bytes leaves words in
// order.
HWY_INLINE __m512i ForUnpack(__m512i bytes) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7),
                                  bytes);
}
// Words from their low and high bytes, both after ForUnpack.
HWY_INLINE Words Unpack(__m512i low, __m512i high) {
  return {_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)};
}

// The low (0) or high (1) bytes of words in order.
template <int kByte>
HWY_INLINE __m512i BytesOf(const Words& words) {
  alignas(64) static constexpr auto kPlaces = [] {
    std::array<uint8_t, 64> places = {};
    for (size_t i = 0; i < places.size(); ++i) {
      places[i] = static_cast<uint8_t>(2 * i + kByte);
    }
    return places;
  }();
  return _mm512_permutex2var_epi8(words.first, Load512(kPlaces.data()),
                                  words.second);
}

HWY_INLINE uint64_t Join(__mmask32 first, __mmask32 second) {
  return _mm512_kunpackd(second, first);
}

HWY_INLINE uint64_t SignBits(const Words& words) {
  return Join(_mm512_movepi16_mask(words.first),
              _mm512_movepi16_mask(words.second));
}

// What is added to the exponent field of the next code-0 weights.
template <FloatFormat kFormat>
HWY_INLINE __m512i AddToExponent(__m512i words, uint32_t added) {
  const __m512i exponent =
      _mm512_set1_epi16(static_cast<int16_t>(InfinityOrdinal(kFormat)));
  const __m512i sum =
      _mm512_add_epi16(words, _mm512_set1_epi16(static_cast<int16_t>(added)));
  return _mm512_ternarylogic_epi32(exponent, sum, words, 0xCA);
}

template <FloatFormat kFormat>
HWY_INLINE __m512i InsertCodeZeros(__m512i words, __mmask32 lanes,
                                   uint32_t zero_exponent,
                                   const uint8_t** next) {
  const __m512i zeros = AddToExponent<kFormat>(Load512(*next), zero_exponent);
  *next += 2 * PopCount(lanes);
  return _mm512_mask_expand_epi16(words, lanes, zeros);
}

template <FloatFormat kFormat>
HWY_INLINE void AppendCodeZeros(__m512i words, __mmask32 lanes,
                                uint32_t zero_exponent, uint8_t** next) {
  Store512(AddToExponent<kFormat>(_mm512_maskz_compress_epi16(lanes, words),
                                  0 - zero_exponent),
           *next);
  *next += 2 * PopCount(lanes);
}

HWY_INLINE Words ShiftLeft(const Words& words, __m128i count) {
  return {_mm512_sll_epi16(words.first, count),
          _mm512_sll_epi16(words.second, count)};
}
HWY_INLINE Words ShiftRight(const Words& words, __m128i count) {
  return {_mm512_srl_epi16(words.first, count),
          _mm512_srl_epi16(words.second, count)};
}
HWY_INLINE Words Or(const Words& a, const Words& b) {
  return {_mm512_or_si512(a.first, b.first),
          _mm512_or_si512(a.second, b.second)};
}

// a | (code & 0x80), by bytes.
HWY_INLINE __m512i OrSign(__m512i a, __m512i code) {
  return _mm512_ternarylogic_epi32(a, code, _mm512_set1_epi8(-128), 0xF8);
}

template <FloatFormat kFormat, bool kOnGrid>
struct Decoder16 {
  static constexpr uint32_t kPlanes = MantissaBits(kFormat) > 8 ? 2 : 1;
  ByteTable lowest_low;
  ByteTable lowest_high;
  ByteTable threshold_low;
  ByteTable threshold_high;  // FP16 only

  HWY_INLINE explicit Decoder16(const IntervalTable& table)
      : lowest_low(BytesOf<0>(table.lowest)),
        lowest_high(BytesOf<1>(table.lowest)),
        threshold_low(BytesOf<0>(table.threshold)) {
    if constexpr (kPlanes == 2) {
      threshold_high = BytesOf<1>(table.threshold);
    }
  }

  // The ordinals in grid units, with the sign unless on a grid.
  HWY_INLINE Words Ordinals(__m512i code, __m512i magnitude,
                            const __m512i (&planes)[kPlanes],
                            BitSource* extra) const {
    if constexpr (kPlanes == 1) {
      const __m512i value = planes[0];
      const __m512i threshold = threshold_low.Find(magnitude);
      const __mmask64 above = _mm512_cmpge_epu8_mask(value, threshold);
      const __mmask64 bits = ReadExtraBits(above, extra);
      const __m512i minus_one = _mm512_set1_epi8(-1);
      // 2 value - threshold + extra bit at and above the threshold.
      __m512i rank = _mm512_mask_add_epi8(value, above, value,
                                          _mm512_sub_epi8(value, threshold));
      rank = _mm512_mask_sub_epi8(rank, bits, rank, minus_one);
      const __m512i low = _mm512_add_epi8(lowest_low.Find(magnitude), rank);
      const __mmask64 carry = _mm512_cmplt_epu8_mask(low, rank);
      __m512i high = lowest_high.Find(magnitude);
      if constexpr (!kOnGrid) {
        high = OrSign(high, code);
      }
      high = _mm512_mask_sub_epi8(high, carry, high, minus_one);
      return Unpack(ForUnpack(low), ForUnpack(high));
    } else {
      const __m512i moved = ForUnpack(magnitude);
      const Words value = Unpack(ForUnpack(planes[0]), ForUnpack(planes[1]));
      const Words threshold =
          Unpack(threshold_low.Find(moved), threshold_high.Find(moved));
      __m512i high = lowest_high.Find(moved);
      if constexpr (!kOnGrid) {
        high = OrSign(high, ForUnpack(code));
      }
      const Words lowest = Unpack(lowest_low.Find(moved), high);
      const __mmask32 above[2] = {
          _mm512_cmpge_epu16_mask(value.first, threshold.first),
          _mm512_cmpge_epu16_mask(value.second, threshold.second)};
      const uint64_t bits = ReadExtraBits(Join(above[0], above[1]), extra);
      const auto ordinal = [&](__m512i v, __m512i t, __m512i l, __mmask32 a,
                               __mmask32 b) HWY_ATTR {
        const __m512i rank =
            _mm512_mask_add_epi16(v, a, v, _mm512_sub_epi16(v, t));
        const __m512i sum = _mm512_add_epi16(l, rank);
        return _mm512_mask_sub_epi16(sum, b, sum, _mm512_set1_epi16(-1));
      };
      return {ordinal(value.first, threshold.first, lowest.first, above[0],
                      static_cast<__mmask32>(bits)),
              ordinal(value.second, threshold.second, lowest.second, above[1],
                      static_cast<__mmask32>(bits >> 32))};
    }
  }
};

template <FloatFormat kFormat, bool kOnGrid>
HWY_INLINE void DecodeBlock16(const IntervalTable& table, const int8_t* codes,
                              size_t count, DecodeCursor* cursor,
                              uint8_t* weights) {
  using Decoder = Decoder16<kFormat, kOnGrid>;
  const Decoder decoder(table);
  const ByteTable width_table = WidthTable(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  BitSource extra = cursor->extra;
  const uint8_t* next_code_zero = cursor->next_code_zero;
  ForEachStep<kFormat, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, uint8_t* out, uint64_t lanes,
          size_t) HWY_ATTR {
        const __m512i code = Load512(step_codes);
        const __m512i magnitude = _mm512_abs_epi8(code);
        __m512i planes[Decoder::kPlanes];
        ReadRanks(list, width_table.Find(magnitude), cursor->ranks, planes);
        Words bits = decoder.Ordinals(code, magnitude, planes, &extra);
        if constexpr (kOnGrid) {
          const __m512i sign = OrSign(_mm512_setzero_si512(), ForUnpack(code));
          bits =
              Or(ShiftLeft(bits, grid), Unpack(_mm512_setzero_si512(), sign));
        }
        const uint64_t zeros =
            _mm512_testn_epi8_mask(code, _mm512_set1_epi8(127)) & lanes;
        Store512(
            InsertCodeZeros<kFormat>(bits.first, static_cast<__mmask32>(zeros),
                                     table.zero_exponent, &next_code_zero),
            out);
        Store512(InsertCodeZeros<kFormat>(bits.second,
                                          static_cast<__mmask32>(zeros >> 32),
                                          table.zero_exponent, &next_code_zero),
                 out + 64);
      });
  cursor->extra = extra;
  cursor->next_code_zero = next_code_zero;
}

template <FloatFormat kFormat>
void DecodeRanks16(const IntervalTable& table, const int8_t* codes,
                   size_t count, DecodeCursor* cursor, uint8_t* weights) {
  if (table.grid == 0) {
    DecodeBlock16<kFormat, false>(table, codes, count, cursor, weights);
  } else {
    DecodeBlock16<kFormat, true>(table, codes, count, cursor, weights);
  }
}

// What becomes of the ranks of 64 weights.
template <uint32_t kPlanes>
struct CodedRanks {
  __m512i planes[kPlanes];
  uint64_t regular;
  uint64_t above;       // has an extra bit
  uint64_t extra_bits;  // at its place
};

template <FloatFormat kFormat>
struct Encoder16 {
  static constexpr uint32_t kPlanes = MantissaBits(kFormat) > 8 ? 2 : 1;
  ByteTable lowest_low;
  ByteTable lowest_high;
  ByteTable threshold_low;
  ByteTable threshold_high;  // FP16 only

  HWY_INLINE explicit Encoder16(const IntervalTable& table)
      : lowest_low(BytesOf<0>(table.lowest)),
        lowest_high(BytesOf<1>(table.lowest)),
        threshold_low(BytesOf<0>(table.threshold)) {
    if constexpr (kPlanes == 2) {
      threshold_high = BytesOf<1>(table.threshold);
    }
  }

  // 2^(width + 1) - 1, low and high bytes; XORed with the threshold it is the
  // largest rank.
  static HWY_INLINE __m512i FullLow(__m512i widths) {
    return _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(_mm_setr_epi8(1, 3, 7, 15, 31, 63, 127, -1, -1,
                                             -1, -1, -1, -1, -1, -1, -1)),
        widths);
  }
  static HWY_INLINE __m512i FullHigh(__m512i widths) {
    return _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(
            _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 7, 0, 0, 0, 0, 0)),
        widths);
  }

  // `ordinals` in grid units, `allowed` what else makes a weight regular.
  HWY_INLINE CodedRanks<kPlanes> Ranks(const Words& ordinals, uint64_t allowed,
                                       __m512i magnitude,
                                       __m512i widths) const {
    CodedRanks<kPlanes> coded;
    if constexpr (kPlanes == 1) {
      const __m512i threshold = threshold_low.Find(magnitude);
      const __m512i low = BytesOf<0>(ordinals);
      const __m512i lowest = lowest_low.Find(magnitude);
      const __mmask64 borrow = _mm512_cmplt_epu8_mask(low, lowest);
      __m512i high =
          _mm512_sub_epi8(BytesOf<1>(ordinals), lowest_high.Find(magnitude));
      high = _mm512_mask_add_epi8(high, borrow, high, _mm512_set1_epi8(-1));
      const __m512i distance = _mm512_sub_epi8(low, lowest);
      const __m512i last = _mm512_xor_si512(FullLow(widths), threshold);
      coded.regular = _mm512_mask_cmple_epu8_mask(
          _mm512_mask_testn_epi8_mask(allowed, high, high), distance, last);
      const __m512i rank = _mm512_maskz_mov_epi8(coded.regular, distance);
      coded.above = _mm512_cmpge_epu8_mask(rank, threshold);
      const __m512i sum = _mm512_add_epi8(rank, threshold);
      coded.extra_bits = _mm512_test_epi8_mask(sum, _mm512_set1_epi8(1));
      coded.planes[0] = _mm512_mask_mov_epi8(
          rank, coded.above,
          _mm512_and_si512(_mm512_srli_epi16(sum, 1), _mm512_set1_epi8(127)));
    } else {
      const __m512i moved = ForUnpack(magnitude);
      const __m512i moved_widths = ForUnpack(widths);
      const Words threshold =
          Unpack(threshold_low.Find(moved), threshold_high.Find(moved));
      const Words lowest =
          Unpack(lowest_low.Find(moved), lowest_high.Find(moved));
      const Words full = Unpack(FullLow(moved_widths), FullHigh(moved_widths));
      Half halves[2] = {
          HalfOf(ordinals.first, lowest.first, threshold.first, full.first,
                 static_cast<__mmask32>(allowed)),
          HalfOf(ordinals.second, lowest.second, threshold.second, full.second,
                 static_cast<__mmask32>(allowed >> 32))};
      coded.regular = Join(halves[0].regular, halves[1].regular);
      coded.above = Join(halves[0].above, halves[1].above);
      coded.extra_bits = Join(halves[0].extra_bits, halves[1].extra_bits);
      const Words values = {halves[0].value, halves[1].value};
      coded.planes[0] = BytesOf<0>(values);
      coded.planes[1] = BytesOf<1>(values);
    }
    return coded;
  }

 private:
  struct Half {
    __m512i value;
    __mmask32 regular;
    __mmask32 above;
    __mmask32 extra_bits;
  };

  static HWY_INLINE Half HalfOf(__m512i ordinal, __m512i lowest,
                                __m512i threshold, __m512i full,
                                __mmask32 allowed) {
    Half half;
    const __m512i distance = _mm512_sub_epi16(ordinal, lowest);
    half.regular = _mm512_mask_cmple_epu16_mask(
        allowed, distance, _mm512_xor_si512(full, threshold));
    const __m512i rank = _mm512_maskz_mov_epi16(half.regular, distance);
    half.above = _mm512_cmpge_epu16_mask(rank, threshold);
    const __m512i sum = _mm512_add_epi16(rank, threshold);
    half.extra_bits = _mm512_test_epi16_mask(sum, _mm512_set1_epi16(1));
    half.value = _mm512_mask_srli_epi16(rank, half.above, sum, 1);
    return half;
  }
};

template <FloatFormat kFormat, bool kOnGrid>
HWY_INLINE void EncodeBlock16(const IntervalTable& table,
                              const uint8_t* weights, const int8_t* codes,
                              size_t count, EncodeCursor* cursor) {
  const Encoder16<kFormat> encoder(table);
  const ByteTable width_table = WidthTable(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m512i grid_mask =
      _mm512_set1_epi16(static_cast<int16_t>((1u << table.grid) - 1));
  const __m512i ordinal_mask = _mm512_set1_epi16(0x7FFF);
  ForEachStep<kFormat, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, const uint8_t* in, uint64_t lanes,
          size_t offset) HWY_ATTR {
        const __m512i code = Load512(step_codes);
        const __m512i magnitude = _mm512_abs_epi8(code);
        const __m512i widths = width_table.Find(magnitude);
        const Words bits = {Load512(in), Load512(in + 64)};
        // The sign is the code's.
        uint64_t allowed = ~(SignBits(bits) ^ _mm512_movepi8_mask(code));
        Words ordinals = {_mm512_and_si512(bits.first, ordinal_mask),
                          _mm512_and_si512(bits.second, ordinal_mask)};
        if constexpr (kOnGrid) {
          allowed &= Join(_mm512_testn_epi16_mask(ordinals.first, grid_mask),
                          _mm512_testn_epi16_mask(ordinals.second, grid_mask));
          ordinals = ShiftRight(ordinals, grid);
        }
        const auto coded = encoder.Ranks(ordinals, allowed, magnitude, widths);
        WriteRanks(list, widths, coded.planes, cursor->ranks);
        AppendExtraBits(coded.extra_bits, coded.above, cursor);
        const uint64_t zeros =
            _mm512_testn_epi8_mask(code, _mm512_set1_epi8(127));
        const uint64_t code_zeros = zeros & lanes;
        AppendCodeZeros<kFormat>(bits.first, static_cast<__mmask32>(code_zeros),
                                 table.zero_exponent, &cursor->next_code_zero);
        AppendCodeZeros<kFormat>(bits.second,
                                 static_cast<__mmask32>(code_zeros >> 32),
                                 table.zero_exponent, &cursor->next_code_zero);
        AppendExceptions<kFormat>(~(coded.regular | zeros), offset, in, cursor);
      });
}

template <FloatFormat kFormat>
void EncodeRanks16(const IntervalTable& table, const uint8_t* weights,
                   const int8_t* codes, size_t count, EncodeCursor* cursor) {
  if (table.grid == 0) {
    EncodeBlock16<kFormat, false>(table, weights, codes, count, cursor);
  } else {
    EncodeBlock16<kFormat, true>(table, weights, codes, count, cursor);
  }
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
