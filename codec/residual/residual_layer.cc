// The layer `residual`: the original weights, on top of `int8`.
#include "base/status.h"
#include "codec/layer.h"
#include "codec/residual/residual_decoder.h"
#include "codec/residual/residual_encoder.h"

namespace qstore::codec {
namespace {

class ResidualLayerEncoder final : public LayerEncoder {
 public:
  absl::Status Encode(const ChunkDescription& chunk,
                      const EncodeOptions& /*options*/, ByteView original,
                      ChunkValues* values,
                      std::vector<EncodedBlob>* blobs) override {
    return encoder_.Encode(*chunk.shape, original, values->codes,
                           values->scales, blobs);
  }

 private:
  ResidualEncoder encoder_;
};

class ResidualLayerDecoder final : public LayerDecoder {
 public:
  absl::Status Decode(const ChunkDescription& chunk,
                      std::span<const BlobView> blobs,
                      ChunkValues* values) override {
    if (!chunk.shape.has_value() ||
        values->original.size() != chunk.shape->weight_bytes()) {
      return absl::DataLossError("only quantized chunks have a residual");
    }
    return decoder_.Decode(*chunk.shape, blobs, values->codes, values->scales,
                           values->original);
  }

 private:
  ResidualDecoder decoder_;
};

bool ResidualSuits(const ChunkDescription& chunk) {
  return chunk.shape.has_value();
}

uint64_t ResidualDecodedBytes(const ChunkDescription& chunk) {
  return chunk.raw_bytes;
}

template <typename Interface, typename Implementation>
std::unique_ptr<Interface> MakeResidual() {
  return std::make_unique<Implementation>();
}

}  // namespace

const Layer kResidualLayer = {
    .number = 2,
    .name = "residual",
    .stands_on = 1,
    .gives_original = true,
    .suits = ResidualSuits,
    .decoded_bytes = ResidualDecodedBytes,
    .checksums = nullptr,
    .make_encoder = MakeResidual<LayerEncoder, ResidualLayerEncoder>,
    .make_decoder = MakeResidual<LayerDecoder, ResidualLayerDecoder>,
};

}  // namespace qstore::codec
