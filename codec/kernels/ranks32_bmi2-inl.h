// Rank kernels of FP32 for x86 with AVX2 and BMI2: see ranks_bmi2-inl.h. Ranks
// have up to three byte planes; eight words at a time come from and go to them.
#if defined(QSTORE_CODEC_RANKS32_BMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS32_BMI2_INL_H_
#undef QSTORE_CODEC_RANKS32_BMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS32_BMI2_INL_H_
#endif

#include "codec/kernels/ranks_bmi2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

// Eight bytes, zero-extended to words.
HWY_INLINE __m256i BytesToWords(const uint8_t* bytes) {
  return _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
}

// Bit i: word i is negative.
HWY_INLINE uint32_t SignBits(__m256i words) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(words)));
}

HWY_INLINE __m256i Gather(const uint32_t* table, __m256i index) {
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index, 4);
}

// The sign bit of the codes at `bytes`, as the sign bit of words.
HWY_INLINE __m256i CodeSigns(const uint8_t* bytes) {
  const __m256i sign_bit =
      _mm256_set1_epi32(static_cast<int>(SignMask(FloatFormat::kF32)));
  return _mm256_and_si256(_mm256_slli_epi32(BytesToWords(bytes), 24), sign_bit);
}

inline void DecodeRanks32(const IntervalTable& table, const int8_t* codes,
                          size_t count, DecodeCursor* cursor,
                          uint8_t* weights) {
  ByteTable width_table[1];
  FillWidthTable(table, &width_table[0]);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m256i lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  ForEachStep<FloatFormat::kF32, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, uint8_t* out, uint64_t lanes,
          size_t) HWY_ATTR {
        const __m256i code = Load256(step_codes);
        const __m256i magnitudes = Magnitudes(code);
        __m256i widths[1];
        LookUp(width_table, magnitudes, widths);
        alignas(32) uint8_t code_bytes[kStep];
        alignas(32) uint8_t magnitude_bytes[kStep];
        alignas(32) uint8_t planes[kMaxPlanes][kStep];
        Store256(code, code_bytes);
        Store256(magnitudes, magnitude_bytes);
        __m256i read[kMaxPlanes];
        ReadRanks(list, widths[0], cursor->ranks, read);
        for (uint32_t plane = 0; plane < kMaxPlanes; ++plane) {
          Store256(read[plane], planes[plane]);
        }
        for (size_t i = 0; i < kStep; i += 8) {
          const __m256i index = BytesToWords(magnitude_bytes + i);
          const __m256i lowest = Gather(table.lowest, index);
          const __m256i threshold = Gather(table.threshold, index);
          const __m256i value = _mm256_or_si256(
              _mm256_or_si256(
                  BytesToWords(planes[0] + i),
                  _mm256_slli_epi32(BytesToWords(planes[1] + i), 8)),
              _mm256_slli_epi32(BytesToWords(planes[2] + i), 16));
          const __m256i below = _mm256_cmpgt_epi32(threshold, value);
          const uint32_t extra_bits =
              ReadExtraBits(~SignBits(below) & 0xFF, &cursor->extra);
          const __m256i extra = _mm256_cmpeq_epi32(
              _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(extra_bits)),
                               lane_bit),
              lane_bit);
          const __m256i more =
              _mm256_sub_epi32(_mm256_sub_epi32(value, threshold), extra);
          const __m256i rank =
              _mm256_add_epi32(value, _mm256_andnot_si256(below, more));
          const __m256i ordinal =
              _mm256_sll_epi32(_mm256_add_epi32(lowest, rank), grid);
          Store256(_mm256_or_si256(ordinal, CodeSigns(code_bytes + i)),
                   out + i * sizeof(uint32_t));
        }
        StoreCodeZeros<FloatFormat::kF32>(ZeroBytes(magnitudes) & lanes,
                                          table.zero_exponent, cursor, out);
      });
}

inline void EncodeRanks32(const IntervalTable& table, const uint8_t* weights,
                          const int8_t* codes, size_t count,
                          EncodeCursor* cursor) {
  ByteTable width_table[1];
  FillWidthTable(table, &width_table[0]);
  const WidthList list(table.widths);
  const __m128i grid = _mm_cvtsi32_si128(static_cast<int>(table.grid));
  const __m256i grid_mask =
      _mm256_set1_epi32(static_cast<int>((1u << table.grid) - 1));
  const __m256i ordinal_mask = _mm256_set1_epi32(0x7FFFFFFF);
  const __m256i zero = _mm256_setzero_si256();
  ForEachStep<FloatFormat::kF32, kStep>(
      codes, count, weights,
      [&](const int8_t* step_codes, const uint8_t* in, uint64_t lanes,
          size_t offset) HWY_ATTR {
        const __m256i code = Load256(step_codes);
        const __m256i magnitudes = Magnitudes(code);
        __m256i widths[1];
        LookUp(width_table, magnitudes, widths);
        alignas(32) uint8_t code_bytes[kStep];
        alignas(32) uint8_t magnitude_bytes[kStep];
        alignas(32) uint8_t width_bytes[kStep];
        alignas(32) uint32_t values[kStep];
        Store256(code, code_bytes);
        Store256(magnitudes, magnitude_bytes);
        Store256(widths[0], width_bytes);
        uint32_t regular_lanes = 0;
        for (uint32_t i = 0; i < kStep; i += 8) {
          const __m256i index = BytesToWords(magnitude_bytes + i);
          const __m256i lowest = Gather(table.lowest, index);
          const __m256i threshold = Gather(table.threshold, index);
          const __m256i bits = Load256(in + i * sizeof(uint32_t));
          const __m256i ordinal = _mm256_and_si256(bits, ordinal_mask);
          const __m256i offset_rank =
              _mm256_sub_epi32(_mm256_srl_epi32(ordinal, grid), lowest);
          // count - 1 = 2^(width + 1) - 1 - threshold.
          const __m256i full =
              _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(2),
                                                 BytesToWords(width_bytes + i)),
                               _mm256_set1_epi32(1));
          const __m256i last = _mm256_sub_epi32(full, threshold);
          const __m256i inside = _mm256_cmpeq_epi32(
              _mm256_min_epu32(offset_rank, last), offset_rank);
          const __m256i on_grid =
              _mm256_cmpeq_epi32(_mm256_and_si256(ordinal, grid_mask), zero);
          const __m256i sign_differs = _mm256_srai_epi32(
              _mm256_xor_si256(
                  bits, _mm256_slli_epi32(BytesToWords(code_bytes + i), 24)),
              31);
          const __m256i regular = _mm256_andnot_si256(
              sign_differs, _mm256_and_si256(inside, on_grid));
          regular_lanes |= SignBits(regular) << i;
          const __m256i rank = _mm256_and_si256(offset_rank, regular);
          const __m256i below = _mm256_cmpgt_epi32(threshold, rank);
          const __m256i sum = _mm256_add_epi32(rank, threshold);
          Store256(_mm256_blendv_epi8(_mm256_srli_epi32(sum, 1), rank, below),
                   values + i);
          const uint32_t has_extra = ~SignBits(below) & 0xFF;
          const auto extra_count =
              static_cast<uint32_t>(_mm_popcnt_u32(has_extra));
          cursor->extra.Put(
              _pext_u32(SignBits(_mm256_slli_epi32(sum, 31)), has_extra),
              extra_count);
          cursor->extra_bit_count += extra_count;
        }
        alignas(32) uint8_t planes[kMaxPlanes][kStep];
        for (size_t i = 0; i < kStep; ++i) {
          planes[0][i] = static_cast<uint8_t>(values[i]);
          planes[1][i] = static_cast<uint8_t>(values[i] >> 8);
          planes[2][i] = static_cast<uint8_t>(values[i] >> 16);
        }
        const __m256i to_write[kMaxPlanes] = {
            Load256(planes[0]), Load256(planes[1]), Load256(planes[2])};
        WriteRanks(list, widths[0], to_write, cursor->ranks);
        const uint32_t code_zeros = ZeroBytes(magnitudes);
        AppendCodeZeros<FloatFormat::kF32>(code_zeros & lanes,
                                           table.zero_exponent, in, cursor);
        AppendExceptions<FloatFormat::kF32>(~(regular_lanes | code_zeros),
                                            offset, in, cursor);
      });
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
