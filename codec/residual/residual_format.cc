#include "codec/residual/residual_format.h"

#include "absl/strings/str_cat.h"
#include "codec/float_bits.h"

namespace qstore::codec {

void ResidualHead::EncodeTo(ByteVector* blob) const {
  blob->assign(kResidualHeadBytes, 0);
  uint8_t* out = blob->data();
  out[0] = kResidualVersion;
  out[1] = static_cast<uint8_t>(mode);
  out[2] = static_cast<uint8_t>(format);
  out[3] = static_cast<uint8_t>(rounding);
  out[4] = grid;
  StoreLittleEndian(code_zero_count, out + 8);
  StoreLittleEndian(extra_bit_count, out + 12);
  StoreLittleEndian(exception_count, out + 16);
  static_assert(kResidualHeadBytes == 16 + sizeof(exception_count));
}

absl::StatusOr<ResidualHead> ResidualHead::DecodeFrom(ByteView blob,
                                                      const ChunkShape& shape) {
  if (blob.size() != kResidualHeadBytes) {
    return absl::DataLossError(absl::StrCat("the residual's head has ",
                                            blob.size(), " bytes instead of ",
                                            kResidualHeadBytes));
  }
  if (blob[0] != kResidualVersion) {
    return absl::DataLossError(absl::StrCat("the residual has version ",
                                            blob[0], ", but only version ",
                                            kResidualVersion, " is known"));
  }
  if (blob[1] > static_cast<uint8_t>(ResidualMode::kDifferences)) {
    return absl::DataLossError(
        absl::StrCat("the residual has unknown mode ", blob[1]));
  }
  ResidualHead head;
  head.mode = static_cast<ResidualMode>(blob[1]);
  if (blob[2] != static_cast<uint8_t>(shape.format)) {
    return absl::DataLossError(absl::StrCat("the residual has float format ",
                                            blob[2], " instead of ",
                                            static_cast<int>(shape.format)));
  }
  head.format = shape.format;
  if (blob[3] != static_cast<uint8_t>(Rounding::kNearest)) {
    return absl::DataLossError(
        absl::StrCat("the residual has unknown rounding ", blob[3]));
  }
  head.grid = blob[4];
  if (head.grid > MantissaBits(shape.format)) {
    return absl::DataLossError(
        absl::StrCat("the residual has grid ", head.grid, ", but at most ",
                     MantissaBits(shape.format), " is allowed"));
  }
  if (blob[5] != 0 || blob[6] != 0 || blob[7] != 0) {
    return absl::DataLossError("the residual's head has reserved bytes set");
  }
  head.code_zero_count = LoadLittleEndian<uint32_t>(&blob[8]);
  head.extra_bit_count = LoadLittleEndian<uint32_t>(&blob[12]);
  head.exception_count = LoadLittleEndian<uint32_t>(&blob[16]);
  if (head.code_zero_count > shape.weight_count() ||
      head.extra_bit_count > shape.weight_count() ||
      head.exception_count > MaxExceptions(shape)) {
    return absl::DataLossError(
        "the residual's head counts more weights than the chunk has");
  }
  return head;
}

}  // namespace qstore::codec
