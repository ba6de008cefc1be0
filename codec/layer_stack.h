// Encodes a chunk into all of its layers, and decodes any number of them from
// the bottom up.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/layer.h"
#include "codec/layers.h"

namespace qstore::codec {

struct EncodedLayer {
  const Layer* layer = nullptr;
  std::vector<EncodedBlob> blobs;  // ascending by subgroup
  // Layer::checksums of what it gives; empty for the original.
  std::vector<uint64_t> decoded_xxh3;
};

// What is stored of one layer of a chunk.
struct StoredLayer {
  LayerNumber number = kNoLayer;
  std::vector<BlobView> blobs;
  // What decoding must give; for the original its one checksum. Empty: not
  // compared.
  std::span<const uint64_t> decoded_xxh3;
};

// Keep one per thread: both reuse their working memory. Not thread-safe.
class StackEncoder {
 public:
  // `original` has chunk.raw_bytes bytes. `*layers` is what the encoder left
  // there for the chunk before, or empty: its buffers are used again.
  // INVALID_ARGUMENT when no layers suit the chunk or sizes contradict it.
  absl::Status Encode(const ChunkDescription& chunk,
                      const EncodeOptions& options, ByteView original,
                      std::vector<EncodedLayer>* layers);

 private:
  std::map<LayerNumber, std::unique_ptr<LayerEncoder>> encoders_;
  ChunkValues values_;
};

class StackDecoder {
 public:
  // Takes hostile bytes. `layers` are the lowest ones of the chunk, bottom
  // first. values->original has room for chunk.raw_bytes when the last of them
  // gives the original. DATA_LOSS names the layer.
  absl::Status Decode(const ChunkDescription& chunk,
                      std::span<const StoredLayer> layers, ChunkValues* values);

 private:
  std::map<LayerNumber, std::unique_ptr<LayerDecoder>> decoders_;
};

}  // namespace qstore::codec
