#include "codec/pairs/nearest_codes.h"

#include <algorithm>
#include <cmath>

#include "codec/chunk_runs.h"
#include "codec/float_bits.h"

namespace qstore::codec {
namespace {

// The kernel clamps to 127 what rounds to more. There is little of it, so that
// most blocks are only looked over.
constexpr size_t kLookBlock = 64;

bool HasEnds(const int8_t* codes) {
  uint8_t ends = 0;
  for (size_t i = 0; i < kLookBlock; ++i) {
    ends |= static_cast<uint8_t>(codes[i] == 127 || codes[i] == -127);
  }
  return ends != 0;
}

template <FloatFormat kFormat>
void MarkOutOfRange(const uint8_t* weights, float scale,
                    std::span<int8_t> nearest) {
  for (size_t at = 0; at < nearest.size(); at += kLookBlock) {
    const size_t count = std::min(kLookBlock, nearest.size() - at);
    int8_t* block = nearest.data() + at;
    if (count == kLookBlock && !HasEnds(block)) {
      continue;
    }
    for (size_t i = 0; i < count; ++i) {
      if (std::abs(block[i]) == 127) {
        const float value = ToFloat<kFormat>(
            LoadWeight<kFormat>(weights, at + i) & ~SignMask(kFormat));
        // 127.5 rounds to 128, the even one.
        if (value / scale >= 127.5f) {
          block[i] = -128;
        }
      }
    }
  }
}

}  // namespace

void FindNearestCodes(const Kernels& kernels, const ChunkShape& shape,
                      ByteView weights, std::span<const float> scales,
                      std::span<int8_t> nearest) {
  ForEachRun(shape, [&](size_t scale, uint64_t first, uint64_t count) {
    const std::span<int8_t> run = nearest.subspan(first, count);
    if (!IsUsableScale(scales[scale])) {
      std::fill(run.begin(), run.end(), int8_t{0});
      return absl::OkStatus();
    }
    const uint8_t* run_weights =
        weights.data() + first * FloatBytes(shape.format);
    kernels.round_to_codes(shape.format, run_weights, count, scales[scale],
                           run.data());
    VisitFormat(shape.format, [&](auto tag) {
      MarkOutOfRange<decltype(tag)::value>(run_weights, scales[scale], run);
    });
    return absl::OkStatus();
  }).IgnoreError();
}

}  // namespace qstore::codec
