// Rank kernels of the 16-bit formats for x86 with AVX2 and BMI2: see
// ranks_bmi2-inl.h. BF16's ranks have one byte plane, FP16's two.
//
// 16-bit lanes are kept in the order in which unpacking and packing bytes
// leaves them: vector 0 has weights 0-7 and 16-23, vector 1 has 8-15 and 24-31.
#if defined(QSTORE_CODEC_RANKS16_BMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS16_BMI2_INL_H_
#undef QSTORE_CODEC_RANKS16_BMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS16_BMI2_INL_H_
#endif

#include "codec/kernels/ranks_bmi2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

template <FloatFormat kFormat>
constexpr bool kHasTwoPlanes = MantissaBits(kFormat) > 8;
template <FloatFormat kFormat>
constexpr uint32_t kPlanes = kHasTwoPlanes<kFormat> ? 2 : 1;

// Words from their low and high bytes.
HWY_INLINE void Unpack(__m256i low, __m256i high, __m256i (&words)[2]) {
  words[0] = _mm256_unpacklo_epi8(low, high);
  words[1] = _mm256_unpackhi_epi8(low, high);
}

// Bit i: word i is 0xFFFF (or negative).
HWY_INLINE uint32_t MaskBits(const __m256i (&words)[2]) {
  return static_cast<uint32_t>(
      _mm256_movemask_epi8(_mm256_packs_epi16(words[0], words[1])));
}

// What a table gives for 32 codes.
template <FloatFormat kFormat>
struct Tables16 {
  ByteTable tables[4];  // widths, lowest's low and high bytes, threshold's low
  // The thresholds' high bytes, in FP16. From code 16 on an interval is at most
  // 1/15 of its end wide, thus fewer than 256 ordinals: the rest is 0.
  __m256i threshold_high;

  HWY_INLINE explicit Tables16(const IntervalTable& table) {
    FillWidthTable(table, &tables[0]);
    FillByteTables(table.lowest, &tables[1], &tables[2]);
    ByteTable high;
    FillByteTables(table.threshold, &tables[3], &high);
    threshold_high = _mm256_broadcastsi128_si256(high.rows[0]);
  }

  HWY_INLINE void Find(__m256i magnitudes, __m256i* widths,
                       __m256i (&lowest)[2], __m256i (&threshold)[2]) const {
    __m256i found[4];
    LookUp(tables, magnitudes, found);
    *widths = found[0];
    Unpack(found[1], found[2], lowest);
    __m256i high = _mm256_setzero_si256();
    if constexpr (kHasTwoPlanes<kFormat>) {
      // Sets bit 7 of magnitudes from 16 on, which gives 0.
      high = _mm256_shuffle_epi8(
          threshold_high, _mm256_add_epi8(magnitudes, _mm256_set1_epi8(112)));
    }
    Unpack(found[3], high, threshold);
  }
};

template <FloatFormat kFormat>
void DecodeRanks16(const IntervalTable& table, const int8_t* codes,
                   size_t count, DecodeCursor* cursor, uint8_t* weights) {
  const Tables16<kFormat> tables(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m256i zero = _mm256_setzero_si256();
  const __m256i sign_bit = _mm256_set1_epi16(static_cast<int16_t>(0x8000));
  ForEachStep<kFormat, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, uint8_t* out, uint64_t lanes,
          size_t) HWY_ATTR {
        const __m256i code = Load256(step_codes);
        const __m256i magnitudes = Magnitudes(code);
        __m256i widths;
        __m256i lowest[2];
        __m256i threshold[2];
        tables.Find(magnitudes, &widths, lowest, threshold);
        __m256i planes[kPlanes<kFormat>];
        ReadRanks(list, widths, cursor->ranks, planes);
        __m256i value[2];
        Unpack(planes[0],
               kHasTwoPlanes<kFormat> ? planes[kPlanes<kFormat> - 1] : zero,
               value);
        const __m256i below[2] = {_mm256_cmpgt_epi16(threshold[0], value[0]),
                                  _mm256_cmpgt_epi16(threshold[1], value[1])};
        const __m256i extra =
            ExpandBits(ReadExtraBits(~MaskBits(below), &cursor->extra));
        __m256i extras[2];  // -1 for a set bit
        Unpack(extra, extra, extras);
        __m256i signs[2];
        Unpack(zero, code, signs);
        __m256i bits[2];
        for (int i = 0; i < 2; ++i) {
          // 2 value - threshold + extra at and above the threshold.
          const __m256i more = _mm256_sub_epi16(
              _mm256_sub_epi16(value[i], threshold[i]), extras[i]);
          const __m256i rank =
              _mm256_add_epi16(value[i], _mm256_andnot_si256(below[i], more));
          const __m256i ordinal =
              _mm256_sll_epi16(_mm256_add_epi16(lowest[i], rank), grid);
          bits[i] =
              _mm256_or_si256(ordinal, _mm256_and_si256(signs[i], sign_bit));
        }
        Store256(_mm256_permute2x128_si256(bits[0], bits[1], 0x20), out);
        Store256(_mm256_permute2x128_si256(bits[0], bits[1], 0x31), out + 32);
        StoreCodeZeros<kFormat>(ZeroBytes(magnitudes) & lanes,
                                table.zero_exponent, cursor, out);
      });
}

template <FloatFormat kFormat>
void EncodeRanks16(const IntervalTable& table, const uint8_t* weights,
                   const int8_t* codes, size_t count, EncodeCursor* cursor) {
  const Tables16<kFormat> tables(table);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m256i zero = _mm256_setzero_si256();
  const __m256i ordinal_mask = _mm256_set1_epi16(0x7FFF);
  const __m256i grid_mask =
      _mm256_set1_epi16(static_cast<int16_t>((1u << table.grid) - 1));
  // 2^(width + 1) - 1 by width, low and high bytes.
  const __m256i full_low = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      1, 3, 7, 15, 31, 63, 127, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m256i full_high = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 7, 0, 0, 0, 0, 0));
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  ForEachStep<kFormat, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, const uint8_t* in, uint64_t lanes,
          size_t offset) HWY_ATTR {
        const __m256i code = Load256(step_codes);
        const __m256i magnitudes = Magnitudes(code);
        __m256i widths;
        __m256i lowest[2];
        __m256i threshold[2];
        tables.Find(magnitudes, &widths, lowest, threshold);
        __m256i full[2];
        Unpack(_mm256_shuffle_epi8(full_low, widths),
               _mm256_shuffle_epi8(full_high, widths), full);
        __m256i signs[2];
        Unpack(zero, code, signs);
        const __m256i first = Load256(in);
        const __m256i second = Load256(in + 32);
        const __m256i bits[2] = {
            _mm256_permute2x128_si256(first, second, 0x20),
            _mm256_permute2x128_si256(first, second, 0x31)};
        __m256i regular[2];
        __m256i below[2];
        __m256i sum_parity[2];
        __m256i value[2];
        for (int i = 0; i < 2; ++i) {
          const __m256i ordinal = _mm256_and_si256(bits[i], ordinal_mask);
          const __m256i offset_rank =
              _mm256_sub_epi16(_mm256_srl_epi16(ordinal, grid), lowest[i]);
          // count - 1 = 2^(width + 1) - 1 - threshold, without a borrow.
          const __m256i last = _mm256_xor_si256(full[i], threshold[i]);
          const __m256i inside = _mm256_cmpeq_epi16(
              _mm256_min_epu16(offset_rank, last), offset_rank);
          const __m256i on_grid =
              _mm256_cmpeq_epi16(_mm256_and_si256(ordinal, grid_mask), zero);
          const __m256i sign_differs =
              _mm256_srai_epi16(_mm256_xor_si256(bits[i], signs[i]), 15);
          regular[i] = _mm256_andnot_si256(sign_differs,
                                           _mm256_and_si256(inside, on_grid));
          const __m256i rank = _mm256_and_si256(offset_rank, regular[i]);
          below[i] = _mm256_cmpgt_epi16(threshold[i], rank);
          const __m256i sum = _mm256_add_epi16(rank, threshold[i]);
          sum_parity[i] = _mm256_slli_epi16(sum, 15);
          value[i] =
              _mm256_blendv_epi8(_mm256_srli_epi16(sum, 1), rank, below[i]);
        }
        __m256i planes[kPlanes<kFormat>];
        planes[0] = _mm256_packus_epi16(_mm256_and_si256(value[0], low_byte),
                                        _mm256_and_si256(value[1], low_byte));
        if constexpr (kHasTwoPlanes<kFormat>) {
          planes[1] = _mm256_packus_epi16(_mm256_srli_epi16(value[0], 8),
                                          _mm256_srli_epi16(value[1], 8));
        }
        WriteRanks(list, widths, planes, cursor->ranks);
        const uint32_t has_extra = ~MaskBits(below);
        const auto extra_count =
            static_cast<uint32_t>(_mm_popcnt_u32(has_extra));
        cursor->extra.Put(_pext_u32(MaskBits(sum_parity), has_extra),
                          extra_count);
        cursor->extra_bit_count += extra_count;
        const uint32_t code_zeros = ZeroBytes(magnitudes);
        AppendCodeZeros<kFormat>(code_zeros & lanes, table.zero_exponent, in,
                                 cursor);
        AppendExceptions<kFormat>(~(MaskBits(regular) | code_zeros), offset, in,
                                  cursor);
      });
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
