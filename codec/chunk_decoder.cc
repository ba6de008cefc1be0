#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/chunk_codec.h"
#include "codec/chunk_runs.h"
#include "codec/int8/int8_blob.h"
#include "codec/residual/residual_decoder.h"

namespace qstore::codec {

struct ChunkDecoder::Workspace {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  Int8Decoder int8;
  ResidualDecoder residual;
};

ChunkDecoder::ChunkDecoder() : workspace_(std::make_unique<Workspace>()) {}

ChunkDecoder::~ChunkDecoder() = default;

absl::Status ChunkDecoder::DecodeInt8(const ChunkShape& shape,
                                      ByteView int8_blob,
                                      std::span<int8_t> codes,
                                      std::span<float> scales) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (codes.size() != shape.weight_count() ||
      scales.size() != shape.scale_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("room for ", codes.size(), " codes and ", scales.size(),
                     " scales is given, but the chunk has ",
                     shape.weight_count(), " and ", shape.scale_count()));
  }
  return workspace_->int8.Decode(shape, int8_blob, codes, scales);
}

absl::Status ChunkDecoder::DecodeWeights(const ChunkShape& shape,
                                         ByteView int8_blob,
                                         std::span<const BlobView> residual,
                                         MutableByteView weights) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (weights.size() != shape.weight_bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "room for ", weights.size(), " bytes is given, but the chunk has ",
        shape.weight_bytes()));
  }
  workspace_->codes.resize(shape.weight_count());
  workspace_->scales.resize(shape.scale_count());
  QSTORE_RETURN_IF_ERROR(workspace_->int8.Decode(
      shape, int8_blob, workspace_->codes, workspace_->scales));
  return workspace_->residual.Decode(shape, residual, workspace_->codes,
                                     workspace_->scales, weights);
}

}  // namespace qstore::codec
