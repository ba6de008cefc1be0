// The layer `plain`: bytes that are not quantized, losslessly by themselves.
#include "base/status.h"
#include "codec/layer.h"
#include "codec/plain/plain_codec.h"

namespace qstore::codec {
namespace {

class PlainLayerEncoder final : public LayerEncoder {
 public:
  absl::Status Encode(const ChunkDescription& chunk,
                      const EncodeOptions& /*options*/, ByteView original,
                      ChunkValues* /*values*/,
                      std::vector<EncodedBlob>* blobs) override {
    blobs->resize(1);
    blobs->front().subgroup = 0;
    return codec_.Encode(chunk.layout, original, &blobs->front().bytes);
  }

 private:
  PlainCodec codec_;
};

class PlainLayerDecoder final : public LayerDecoder {
 public:
  absl::Status Decode(const ChunkDescription& chunk,
                      std::span<const BlobView> blobs,
                      ChunkValues* values) override {
    if (blobs.size() != 1 || blobs[0].subgroup != 0) {
      return absl::DataLossError("it must be one blob, of subgroup 0");
    }
    if (values->original.size() != chunk.raw_bytes) {
      return absl::InvalidArgumentError("there is no room for what it gives");
    }
    return codec_.Decode(blobs[0].bytes, values->original);
  }

 private:
  PlainCodec codec_;
};

bool PlainSuits(const ChunkDescription& /*chunk*/) { return true; }

uint64_t PlainDecodedBytes(const ChunkDescription& chunk) {
  return chunk.raw_bytes;
}

template <typename Interface, typename Implementation>
std::unique_ptr<Interface> MakePlain() {
  return std::make_unique<Implementation>();
}

}  // namespace

const Layer kPlainLayer = {
    .number = 3,
    .name = "plain",
    .stands_on = kNoLayer,
    .gives_original = true,
    .single_blob = true,
    .suits = PlainSuits,
    .decoded_bytes = PlainDecodedBytes,
    .checksums = nullptr,
    .make_encoder = MakePlain<LayerEncoder, PlainLayerEncoder>,
    .make_decoder = MakePlain<LayerDecoder, PlainLayerDecoder>,
};

}  // namespace qstore::codec
