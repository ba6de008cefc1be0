#include "tests/codec/toy_layer.h"

#include <algorithm>

namespace qstore::codec {
namespace {

class ToyEncoder final : public LayerEncoder {
 public:
  absl::Status Encode(const ChunkDescription& /*chunk*/,
                      const EncodeOptions& /*options*/, ByteView original,
                      ChunkValues* /*values*/,
                      std::vector<EncodedBlob>* blobs) override {
    blobs->resize(1);
    blobs->front() = {7, ByteVector(original.rbegin(), original.rend())};
    return absl::OkStatus();
  }
};

class ToyDecoder final : public LayerDecoder {
 public:
  absl::Status Decode(const ChunkDescription& chunk,
                      std::span<const BlobView> blobs,
                      ChunkValues* values) override {
    if (blobs.size() != 1 || blobs[0].subgroup != 7 ||
        blobs[0].bytes.size() != chunk.raw_bytes ||
        values->original.size() != chunk.raw_bytes) {
      return absl::DataLossError("it is no toy");
    }
    std::reverse_copy(blobs[0].bytes.begin(), blobs[0].bytes.end(),
                      values->original.begin());
    return absl::OkStatus();
  }
};

bool ToySuits(const ChunkDescription& chunk) {
  return !chunk.shape.has_value() && chunk.layout == PlainLayout::kPlanes8;
}

uint64_t ToyDecodedBytes(const ChunkDescription& chunk) {
  return chunk.raw_bytes;
}

std::unique_ptr<LayerEncoder> MakeToyEncoder() {
  return std::make_unique<ToyEncoder>();
}

std::unique_ptr<LayerDecoder> MakeToyDecoder() {
  return std::make_unique<ToyDecoder>();
}

}  // namespace

const Layer kToyLayer = {
    .number = 200,
    .name = "toy",
    .stands_on = kNoLayer,
    .gives_original = true,
    .suits = ToySuits,
    .decoded_bytes = ToyDecodedBytes,
    .checksums = nullptr,
    .make_encoder = MakeToyEncoder,
    .make_decoder = MakeToyDecoder,
};

}  // namespace qstore::codec
