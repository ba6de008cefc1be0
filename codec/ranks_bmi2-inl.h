// Rank kernels for x86 with AVX2 and BMI2. Included once for each target by
// kernels_simd.cc. Highway has no pdep and no bit gather, so these use
// intrinsics.
//
// 32 weights at a time. Widths, thresholds and lowest ordinals come from byte
// tables of 128 entries, looked up by eight byte shuffles. For each width a
// mask says which bytes belong to it; pdep spreads the next values of that
// subgroup over the masked bytes of eight lanes, and pext collects them.
#if defined(QSTORE_CODEC_RANKS_BMI2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QSTORE_CODEC_RANKS_BMI2_INL_H_
#undef QSTORE_CODEC_RANKS_BMI2_INL_H_
#else
#define QSTORE_CODEC_RANKS_BMI2_INL_H_
#endif

#include <immintrin.h>

#include <cstring>

#include "codec/float_bits.h"
#include "codec/interval.h"
#include "codec/rank_cursor.h"
#include "codec/residual_format.h"
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

// One plane of one width.
struct Pass {
  uint8_t width;
  uint8_t value_mask;  // the plane's bits of a value
};

// The passes of one plane for the widths that the table has, fewest bits first.
// Up to `in_ones` 32 values fit one 64-bit word, from there to `in_twos` 16,
// and from there on 8.
template <uint32_t kPlane>
struct PassList {
  Pass passes[kMaxWidth];
  size_t in_ones = 0;
  size_t in_twos = 0;
  size_t count = 0;

  HWY_INLINE explicit PassList(uint32_t widths) {
    for (uint32_t left = widths >> (8 * kPlane + 1) << (8 * kPlane + 1);
         left != 0; left &= left - 1) {
      const uint32_t width = _tzcnt_u32(left);
      const uint32_t bits = PlaneBits(width, kPlane);
      passes[count++] = {static_cast<uint8_t>(width),
                         static_cast<uint8_t>((1u << bits) - 1)};
      in_ones += bits == 1 ? 1 : 0;
      in_twos += bits <= 3 ? 1 : 0;
    }
  }
};

// The masks of a pass: value_mask in the bytes that have its width.
HWY_INLINE void StoreMasks(const Pass& pass, __m256i widths,
                           uint64_t (&masks)[4]) {
  const __m256i mask = _mm256_and_si256(
      _mm256_cmpeq_epi8(widths,
                        _mm256_set1_epi8(static_cast<char>(pass.width))),
      _mm256_set1_epi8(static_cast<char>(pass.value_mask)));
  _mm256_store_si256(reinterpret_cast<__m256i*>(masks), mask);
}

// One plane of 32 values, 0 where there is none. Eight values are at most 56
// bits or whole bytes, so Peek has enough. (Sharing a word among more values,
// as WritePlane does, makes a chain of shifts and is slower.)
template <uint32_t kPlane>
HWY_INLINE __m256i ReadPlane(const PassList<kPlane>& list, __m256i widths,
                             BitSource* sources) {
  alignas(32) uint64_t masks[4];
  uint64_t value0 = 0;
  uint64_t value1 = 0;
  uint64_t value2 = 0;
  uint64_t value3 = 0;
  for (size_t i = 0; i < list.count; ++i) {
    const Pass pass = list.passes[i];
    StoreMasks(pass, widths, masks);
    BitSource source = sources[pass.width];
    value0 |= _pdep_u64(source.Peek(), masks[0]);
    source.position_bits += static_cast<uint64_t>(_mm_popcnt_u64(masks[0]));
    value1 |= _pdep_u64(source.Peek(), masks[1]);
    source.position_bits += static_cast<uint64_t>(_mm_popcnt_u64(masks[1]));
    value2 |= _pdep_u64(source.Peek(), masks[2]);
    source.position_bits += static_cast<uint64_t>(_mm_popcnt_u64(masks[2]));
    value3 |= _pdep_u64(source.Peek(), masks[3]);
    source.position_bits += static_cast<uint64_t>(_mm_popcnt_u64(masks[3]));
    sources[pass.width].position_bits = source.position_bits;
  }
  return _mm256_set_epi64x(
      static_cast<int64_t>(value3), static_cast<int64_t>(value2),
      static_cast<int64_t>(value1), static_cast<int64_t>(value0));
}

HWY_INLINE uint32_t PopCount(uint64_t mask) {
  return static_cast<uint32_t>(_mm_popcnt_u64(mask));
}

// Two collected groups as one.
struct Collected {
  uint64_t bits;
  uint32_t count;
};
HWY_INLINE Collected Collect(const uint64_t* values, const uint64_t* masks) {
  const uint32_t first = PopCount(masks[0]);
  return {_pext_u64(values[0], masks[0]) | _pext_u64(values[1], masks[1])
                                               << first,
          first + PopCount(masks[1])};
}

template <uint32_t kPlane>
HWY_INLINE void WritePlane(const PassList<kPlane>& list, __m256i widths,
                           __m256i values, BitSink* sinks) {
  alignas(32) uint64_t masks[4];
  alignas(32) uint64_t each[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(each), values);
  size_t i = 0;
  for (; i < list.in_ones; ++i) {
    const Pass pass = list.passes[i];
    StoreMasks(pass, widths, masks);
    const Collected low = Collect(each, masks);
    const Collected high = Collect(each + 2, masks + 2);
    sinks[pass.width].Put(low.bits | high.bits << low.count,
                          low.count + high.count);
  }
  for (; i < list.in_twos; ++i) {
    const Pass pass = list.passes[i];
    StoreMasks(pass, widths, masks);
    BitSink sink = sinks[pass.width];
    for (int j = 0; j < 4; j += 2) {
      const Collected pair = Collect(each + j, masks + j);
      sink.Put(pair.bits, pair.count);
    }
    sinks[pass.width] = sink;
  }
  for (; i < list.count; ++i) {
    const Pass pass = list.passes[i];
    StoreMasks(pass, widths, masks);
    BitSink sink = sinks[pass.width];
    for (int j = 0; j < 4; ++j) {
      sink.Put(_pext_u64(each[j], masks[j]), PopCount(masks[j]));
    }
    sinks[pass.width] = sink;
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

// Stores the code-0 weights of a step; bit i of `lanes` is weight i.
template <FloatFormat kFormat>
HWY_INLINE void StoreCodeZeros(uint32_t lanes, uint32_t zero_exponent,
                               DecodeCursor* cursor, uint8_t* weights) {
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t relative = *cursor->next_code_zero++;
    StoreWeight<kFormat>(
        (relative & ~kExponent) | ((relative + zero_exponent) & kExponent),
        weights, _tzcnt_u32(lanes));
  }
}

template <FloatFormat kFormat>
HWY_INLINE void AppendCodeZeros(uint32_t lanes, uint32_t zero_exponent,
                                const uint8_t* weights, EncodeCursor* cursor) {
  constexpr uint32_t kExponent = InfinityOrdinal(kFormat);
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t bits = LoadWeight<kFormat>(weights, _tzcnt_u32(lanes));
    *cursor->next_code_zero++ =
        (bits & ~kExponent) | ((bits - zero_exponent) & kExponent);
  }
}

template <FloatFormat kFormat>
HWY_INLINE void AppendExceptions(uint32_t lanes, uint32_t position,
                                 const uint8_t* weights, EncodeCursor* cursor) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t lane = _tzcnt_u32(lanes);
    *cursor->next_exception++ = {position + lane,
                                 LoadWeight<kFormat>(weights, lane)};
  }
}

// The first `count` lanes of a step.
HWY_INLINE uint32_t FirstLanes(size_t count) {
  return static_cast<uint32_t>((uint64_t{1} << count) - 1);
}

HWY_INLINE __m256i Load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
HWY_INLINE void Store256(__m256i value, void* to) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

// Calls step(codes, weights, lanes, offset) for every 32 weights; the last,
// shorter step works on copies whose other codes are 0. Code 0 takes no rank.
template <FloatFormat kFormat, typename Codes, typename Weights, typename Step>
HWY_INLINE void ForEachStep(const Codes* codes, size_t count, Weights* weights,
                            const Step& step) {
  constexpr size_t kBytes = FloatBytes(kFormat);
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    step(Load256(codes + i), weights + i * kBytes, ~uint32_t{0}, i);
  }
  const size_t rest = count - i;
  if (rest == 0) {
    return;
  }
  alignas(32) int8_t last_codes[kStep] = {};
  alignas(32) uint8_t last_weights[kStep * kBytes] = {};
  std::memcpy(last_codes, codes + i, rest);
  std::memcpy(last_weights, weights + i * kBytes, rest * kBytes);
  step(Load256(last_codes), last_weights, FirstLanes(rest), i);
  if constexpr (!std::is_const_v<Weights>) {
    std::memcpy(weights + i * kBytes, last_weights, rest * kBytes);
  }
}

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
