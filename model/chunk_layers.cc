#include "model/chunk_layers.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "codec/layers.h"
#include "model/chunk_description.h"

namespace qstore::model {

std::vector<codec::StoredLayer> SplitLayers(const Chunk& chunk,
                                            uint32_t layer_count,
                                            ByteView bytes) {
  QSTORE_DCHECK(layer_count <= chunk.layers.size());
  std::vector<codec::StoredLayer> layers;
  layers.reserve(layer_count);
  for (uint32_t i = 0; i < layer_count; ++i) {
    const LayerBlobs& layer = chunk.layers[i];
    codec::StoredLayer& stored = layers.emplace_back();
    stored.number = layer.layer;
    stored.blobs.reserve(layer.blobs.size());
    for (const Blob& blob : layer.blobs) {
      QSTORE_DCHECK(blob.size_bytes <= bytes.size());
      stored.blobs.push_back({blob.subgroup, bytes.first(blob.size_bytes)});
      bytes = bytes.subspan(blob.size_bytes);
    }
    const codec::Layer* known = codec::FindLayer(layer.layer);
    stored.decoded_xxh3 = known != nullptr && known->gives_original
                              ? std::span<const uint64_t>(&chunk.raw_xxh3, 1)
                              : std::span<const uint64_t>(layer.decoded_xxh3);
  }
  return layers;
}

absl::Status DecodeLayers(const Object& object, const Chunk& chunk,
                          std::span<const codec::StoredLayer> layers,
                          codec::StackDecoder* decoder,
                          codec::ChunkValues* values) {
  const absl::StatusOr<codec::ChunkDescription> description =
      DescribeChunk(object, chunk);
  if (!description.ok()) {
    return absl::DataLossError(std::string(description.status().message()));
  }
  return decoder->Decode(*description, layers, values);
}

}  // namespace qstore::model
