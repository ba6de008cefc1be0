// The layer `int8`: codes and scales, by themselves what inference needs.
#include "base/hash.h"
#include "base/status.h"
#include "codec/int8/int8_blob.h"
#include "codec/layer.h"
#include "codec/quantizer.h"

namespace qstore::codec {
namespace {

class Int8LayerEncoder final : public LayerEncoder {
 public:
  absl::Status Encode(const ChunkDescription& chunk,
                      const EncodeOptions& options, ByteView original,
                      ChunkValues* values,
                      std::vector<EncodedBlob>* blobs) override {
    const ChunkShape& shape = *chunk.shape;
    values->codes.resize(shape.weight_count());
    values->scales.resize(shape.scale_count());
    QSTORE_RETURN_IF_ERROR(QuantizeChunk(QuantizerOr(options.quantizer), shape,
                                         original, values->codes,
                                         values->scales));
    blobs->resize(1);
    blobs->front().subgroup = 0;
    return encoder_.Encode(shape, options.coder, values->codes, values->scales,
                           &blobs->front().bytes);
  }

 private:
  Int8Encoder encoder_;
};

class Int8LayerDecoder final : public LayerDecoder {
 public:
  absl::Status Decode(const ChunkDescription& chunk,
                      std::span<const BlobView> blobs,
                      ChunkValues* values) override {
    if (!chunk.shape.has_value()) {
      return absl::DataLossError("only quantized chunks have INT8");
    }
    if (blobs.size() != 1 || blobs[0].subgroup != 0) {
      return absl::DataLossError("it must be one blob, of subgroup 0");
    }
    values->codes.resize(chunk.shape->weight_count());
    values->scales.resize(chunk.shape->scale_count());
    return decoder_.Decode(*chunk.shape, blobs[0].bytes, values->codes,
                           values->scales);
  }

 private:
  Int8Decoder decoder_;
};

bool Int8Suits(const ChunkDescription& chunk) {
  return chunk.shape.has_value();
}

// A byte a weight, and the scales.
uint64_t Int8DecodedBytes(const ChunkDescription& chunk) {
  if (!chunk.shape.has_value()) return chunk.raw_bytes;
  return chunk.shape->weight_count() +
         chunk.shape->scale_count() * sizeof(float);
}

std::vector<uint64_t> Int8Checksums(const ChunkValues& values) {
  const std::span<const float> scales = values.scales;
  return {Xxh3({reinterpret_cast<const uint8_t*>(values.codes.data()),
                values.codes.size()}),
          Xxh3({reinterpret_cast<const uint8_t*>(scales.data()),
                scales.size_bytes()})};
}

template <typename Interface, typename Implementation>
std::unique_ptr<Interface> MakeInt8() {
  return std::make_unique<Implementation>();
}

}  // namespace

const Layer kInt8Layer = {
    .number = 1,
    .name = "int8",
    .stands_on = kNoLayer,
    .gives_original = false,
    .single_blob = true,
    .suits = Int8Suits,
    .decoded_bytes = Int8DecodedBytes,
    .checksums = Int8Checksums,
    .make_encoder = MakeInt8<LayerEncoder, Int8LayerEncoder>,
    .make_decoder = MakeInt8<LayerDecoder, Int8LayerDecoder>,
};

}  // namespace qstore::codec
