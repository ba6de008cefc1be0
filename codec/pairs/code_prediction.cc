// How an encoder chooses what predicts the nearest codes.
#include <algorithm>
#include <bit>
#include <cmath>

#include "codec/chunk_runs.h"
#include "codec/interval.h"
#include "codec/kernels/kernels.h"
#include "codec/pairs/code_differences.h"
#include "codec/pairs/nearest_codes.h"
#include "codec/quantizer.h"

namespace qstore::codec {
namespace {

// Modulo 256, as all arithmetic on codes.
void Subtract(std::span<const int8_t> from, std::span<const int8_t> what,
              std::span<int8_t> result) {
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<int8_t>(from[i] - what[i]);
  }
}

// Factors are worth looking for where codes are further than one off: they move
// large codes far.
bool LooksMultiplied(const DifferenceHistogram& histogram, size_t count) {
  const uint64_t near = histogram[0xFF] + histogram[0] + histogram[1];
  return count - near > count / 64;
}

// log2 of a normal value, to a tenth, the same on every machine.
double RoughLog2(float value) {
  constexpr float kOneBits = 0x1p23f;
  return static_cast<double>(std::bit_cast<uint32_t>(value)) / kOneBits - 127;
}

// About how many bits fewer ranks take under `own` scales than under `given`:
// each halving of a scale halves all intervals.
double RankBitsSaved(const ChunkShape& shape, std::span<const float> given,
                     std::span<const float> own) {
  // A weight without a rank: its exponent and mantissa.
  constexpr double kNoRankBits = 8;
  double bits = 0;
  ForEachRowPart(shape, [&](size_t scale, uint64_t /*first*/,
                            uint32_t /*column*/, uint32_t count) {
    bits += count *
            (IsUsableScale(given[scale])
                 ? std::clamp(RoughLog2(given[scale]) - RoughLog2(own[scale]),
                              -kNoRankBits, kNoRankBits)
                 : kNoRankBits);
  });
  return bits;
}

}  // namespace

void CodeDifferenceEncoder::TryColumnFactors(ByteView weights,
                                             double code_bits) {
  const Kernels& kernels = BestKernels();
  own_scales_.resize(scales_.size());
  own_nearest_.resize(codes_.size());
  ForEachRun(shape_, [&](size_t scale, uint64_t first, uint64_t count) {
    own_scales_[scale] = DefaultQuantizer().quantize(
        kernels, shape_.format,
        weights.data() + first * FloatBytes(shape_.format), count,
        own_nearest_.data() + first);
    return absl::OkStatus();
  }).IgnoreError();
  FindNearestCodes(kernels, shape_, weights, own_scales_, own_nearest_);
  factors_.Estimate(shape_, codes_, scales_, own_nearest_, own_scales_);
  own_differences_.resize(codes_.size());
  factors_.Predict(shape_, codes_, scales_, own_scales_, own_differences_);
  Subtract(own_nearest_, own_differences_, own_differences_);
  const ReachChoice choice = ChooseReach(CountDifferences(own_differences_));
  const double side_bits =
      16.0 * (shape_.columns + static_cast<double>(scales_.size()));
  if (choice.bits + side_bits <
      code_bits + RankBitsSaved(shape_, scales_, own_scales_)) {
    prediction_ = CodePrediction::kColumnFactor;
    reach_ = choice.reach;
    bits_ = choice.bits;
    nearest_.swap(own_nearest_);
    differences_.swap(own_differences_);
  }
}

void CodeDifferenceEncoder::Start(const ChunkShape& shape, ByteView weights,
                                  std::span<const int8_t> codes,
                                  std::span<const float> scales) {
  shape_ = shape;
  codes_ = codes;
  scales_ = scales;
  prediction_ = CodePrediction::kCode;
  nearest_.resize(codes.size());
  differences_.resize(codes.size());
  FindNearestCodes(BestKernels(), shape, weights, scales, nearest_);
  Subtract(nearest_, codes, differences_);
  const DifferenceHistogram histogram = CountDifferences(differences_);
  none_ = histogram[0] == codes.size();
  const ReachChoice choice = ChooseReach(histogram);
  reach_ = choice.reach;
  bits_ = choice.bits;
  if (MayHaveColumnFactors(shape) && LooksMultiplied(histogram, codes.size())) {
    TryColumnFactors(weights, choice.bits);
  }
  const DifferencePacking packing(reach_);
  far_.clear();
  for (size_t i = 0; i < differences_.size() && few_are_far(); ++i) {
    if (packing.IsFar(differences_[i])) {
      far_.push_back(static_cast<uint32_t>(i));
    }
  }
}

}  // namespace qstore::codec
