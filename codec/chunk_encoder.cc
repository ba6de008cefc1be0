#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/chunk_codec.h"
#include "codec/chunk_runs.h"
#include "codec/int8/int8_blob.h"
#include "codec/quantizer.h"
#include "codec/residual/residual_encoder.h"

namespace qstore::codec {

struct ChunkEncoder::Workspace {
  EncodeOptions options;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  Int8Encoder int8;
  ResidualEncoder residual;
};

ChunkEncoder::ChunkEncoder(EncodeOptions options)
    : workspace_(std::make_unique<Workspace>()) {
  workspace_->options = options;
}

ChunkEncoder::~ChunkEncoder() = default;

absl::Status ChunkEncoder::Encode(const ChunkShape& shape, ByteView weights,
                                  EncodedChunk* out) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (weights.size() != shape.weight_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the chunk has ", weights.size(), " bytes instead of ",
                     shape.weight_bytes()));
  }
  workspace_->codes.resize(shape.weight_count());
  workspace_->scales.resize(shape.scale_count());
  QSTORE_RETURN_IF_ERROR(
      QuantizeChunk(QuantizerOr(workspace_->options.quantizer), shape, weights,
                    workspace_->codes, workspace_->scales));
  return EncodePair(shape, weights, workspace_->codes, workspace_->scales, out);
}

absl::Status ChunkEncoder::EncodePair(const ChunkShape& shape, ByteView weights,
                                      std::span<const int8_t> codes,
                                      std::span<const float> scales,
                                      EncodedChunk* out) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (weights.size() != shape.weight_bytes() ||
      codes.size() != shape.weight_count() ||
      scales.size() != shape.scale_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the chunk has ", weights.size(), " bytes, ", codes.size(),
                     " codes and ", scales.size(), " scales instead of ",
                     shape.weight_bytes(), ", ", shape.weight_count(), " and ",
                     shape.scale_count()));
  }
  QSTORE_RETURN_IF_ERROR(workspace_->int8.Encode(
      shape, workspace_->options.coder, codes, scales, &out->int8_blob));
  QSTORE_RETURN_IF_ERROR(workspace_->residual.Encode(shape, weights, codes,
                                                     scales, &out->residual));
  out->codes_xxh3 =
      Xxh3({reinterpret_cast<const uint8_t*>(codes.data()), codes.size()});
  out->scales_xxh3 = Xxh3(
      {reinterpret_cast<const uint8_t*>(scales.data()), scales.size_bytes()});
  return absl::OkStatus();
}

}  // namespace qstore::codec
