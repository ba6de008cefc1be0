#include "codec/pairs/code_differences.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/residual/position_planes.h"

namespace qstore::codec {
namespace {

// Prediction, reach, scale coding, a reserved byte, count of far differences.
constexpr size_t kDifferenceFieldsBytes = 8;

}  // namespace

absl::Status CodeDifferenceEncoder::AppendTo(ZstdEncoder* zstd,
                                             ByteVector* blob) {
  const size_t start = blob->size();
  blob->resize(start + kDifferenceFieldsBytes);
  ScaleCoding scale_coding = ScaleCoding::kFloat32;
  if (prediction_ == CodePrediction::kColumnFactor) {
    QSTORE_RETURN_IF_ERROR(scale_encoder_.Append(shape_.format, own_scales_,
                                                 zstd, blob, &scale_coding));
    QSTORE_RETURN_IF_ERROR(factors_.AppendTo(zstd, &scratch_, blob));
  }
  uint8_t* fields = blob->data() + start;
  fields[0] = static_cast<uint8_t>(prediction_);
  fields[1] = static_cast<uint8_t>(reach_);
  fields[2] = static_cast<uint8_t>(scale_coding);
  StoreLittleEndian(static_cast<uint32_t>(far_.size()), fields + 4);
  if (reach_ > 0) {
    PackDifferences(DifferencePacking(reach_), differences_, &scratch_);
    QSTORE_RETURN_IF_ERROR(digits_zstd_.AppendPlane(scratch_, blob));
  }
  if (far_.empty()) {
    return absl::OkStatus();
  }
  QSTORE_RETURN_IF_ERROR(AppendPositions(
      far_.size(), [&](size_t i) { return far_[i]; }, zstd, &scratch_, blob));
  for (size_t i = 0; i < far_.size(); ++i) {
    scratch_[i] = static_cast<uint8_t>(differences_[far_[i]]);
  }
  return zstd->AppendPlane(scratch_, blob);
}

absl::Status CodeDifferenceDecoder::ApplyFactors(
    const ChunkShape& shape, ScaleCoding scale_coding, ByteView* blob,
    ZstdDecoder* zstd, std::span<int8_t> codes, std::span<float> scales) {
  own_scales_.resize(scales.size());
  QSTORE_RETURN_IF_ERROR(Annotate(DecodeScales(shape.format, scale_coding, blob,
                                               zstd, &scratch_, own_scales_),
                                  "scales"));
  QSTORE_RETURN_IF_ERROR(
      factors_.TakeFrom(blob, shape.columns, zstd, &scratch_));
  factors_.Predict(shape, codes, scales, own_scales_, codes);
  std::ranges::copy(own_scales_, scales.begin());
  return absl::OkStatus();
}

absl::Status CodeDifferenceDecoder::AddNear(uint32_t reach, ByteView* blob,
                                            ZstdDecoder* zstd,
                                            std::span<int8_t> codes) {
  const DifferencePacking packing(reach);
  scratch_.resize(packing.PackedBytes(codes.size()));
  QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(blob, scratch_));
  UnpackDifferences(packing, scratch_, &differences_);
  // Modulo 256, as the encoder subtracts.
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<int8_t>(codes[i] + differences_[i]);
  }
  return absl::OkStatus();
}

absl::Status CodeDifferenceDecoder::Apply(const ChunkShape& shape,
                                          ByteView blob, ZstdDecoder* zstd,
                                          std::span<int8_t> codes,
                                          std::span<float> scales) {
  if (blob.size() < kDifferenceFieldsBytes) {
    return absl::DataLossError("there is no header");
  }
  if (blob[0] > static_cast<uint8_t>(CodePrediction::kColumnFactor)) {
    return absl::DataLossError(
        absl::StrCat("prediction ", blob[0], " is unknown"));
  }
  const auto prediction = static_cast<CodePrediction>(blob[0]);
  if (prediction == CodePrediction::kColumnFactor &&
      !MayHaveColumnFactors(shape)) {
    return absl::DataLossError("the chunk is too small for column factors");
  }
  const uint32_t reach = blob[1];
  if (reach > kMaxReach) {
    return absl::DataLossError(
        absl::StrCat("reach ", reach, " is above ", kMaxReach));
  }
  const uint8_t last_scale_coding =
      prediction == CodePrediction::kColumnFactor
          ? static_cast<uint8_t>(ScaleCoding::kAbsmax)
          : 0;
  if (blob[2] > last_scale_coding || blob[3] != 0) {
    return absl::DataLossError("reserved bytes are set");
  }
  const auto scale_coding = static_cast<ScaleCoding>(blob[2]);
  const auto far_count = LoadLittleEndian<uint32_t>(&blob[4]);
  if (far_count > MaxFarDifferences(shape)) {
    return absl::DataLossError(absl::StrCat(far_count, " far differences in ",
                                            codes.size(), " weights"));
  }
  blob = blob.subspan(kDifferenceFieldsBytes);
  if (prediction == CodePrediction::kColumnFactor) {
    QSTORE_RETURN_IF_ERROR(
        ApplyFactors(shape, scale_coding, &blob, zstd, codes, scales));
  }
  if (reach > 0) {
    QSTORE_RETURN_IF_ERROR(AddNear(reach, &blob, zstd, codes));
  }
  if (far_count > 0) {
    QSTORE_RETURN_IF_ERROR(TakePositions(&blob, far_count, codes.size(), zstd,
                                         &scratch_, &positions_));
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(&blob, scratch_));
    for (size_t i = 0; i < far_count; ++i) {
      int8_t& code = codes[positions_[i]];
      code = static_cast<int8_t>(code + static_cast<int8_t>(scratch_[i]));
    }
  }
  if (!blob.empty()) {
    return absl::DataLossError(
        absl::StrCat("there are ", blob.size(), " bytes too many"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
