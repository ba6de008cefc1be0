// A layer: a stored part of a chunk. It stands alone or on the layer below it,
// whose decoded values it completes: `int8` gives codes and scales, `residual`
// on top of it the original weights.
//
// A layer is one file (codec/*/NAME_layer.cc) and one line in codec/layers.cc.
// Nothing else names one: bytes are counted, stored, sent and checked by the
// number of a layer, whatever it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/blob.h"
#include "codec/chunk.h"
#include "codec/encode_options.h"
#include "codec/plain/plain_codec.h"

namespace qstore::codec {

// Part of keys, records and the wire: never given to another layer.
using LayerNumber = uint8_t;
inline constexpr LayerNumber kNoLayer = 0;

// What every layer knows about a chunk beside its bytes.
struct ChunkDescription {
  uint64_t raw_bytes = 0;
  // Of a matrix that is quantized.
  std::optional<ChunkShape> shape;
  // How the elements of the original lie, for lossless coders.
  PlainLayout layout = PlainLayout::kBytes;
};

// What layers decode to, and what they leave for the one above.
struct ChunkValues {
  // Room for the original bytes, raw_bytes of them; the caller's.
  MutableByteView original;
  std::vector<int8_t> codes;  // row-major
  std::vector<float> scales;
};

// Both reuse their working memory from chunk to chunk. Not thread-safe.
class LayerEncoder {
 public:
  virtual ~LayerEncoder() = default;
  // Finds in `values` what the layers below left and leaves its own.
  // Deterministic. The blobs ascend by subgroup.
  virtual absl::Status Encode(const ChunkDescription& chunk,
                              const EncodeOptions& options, ByteView original,
                              ChunkValues* values,
                              std::vector<EncodedBlob>* blobs) = 0;
};
class LayerDecoder {
 public:
  virtual ~LayerDecoder() = default;
  // Takes hostile bytes. DATA_LOSS.
  virtual absl::Status Decode(const ChunkDescription& chunk,
                              std::span<const BlobView> blobs,
                              ChunkValues* values) = 0;
};

struct Layer {
  LayerNumber number = kNoLayer;
  std::string_view name;
  LayerNumber stands_on = kNoLayer;
  // Whether it decodes to ChunkValues::original; else to a lower precision.
  bool gives_original = false;
  // Whether it is always one blob, of subgroup 0.
  bool single_blob = false;
  // Whether a new chunk of this kind is stored with it.
  bool (*suits)(const ChunkDescription& chunk) = nullptr;
  // Size of what it decodes to, as a file of its precision has it.
  uint64_t (*decoded_bytes)(const ChunkDescription& chunk) = nullptr;
  // XXH3-64 of each thing that it decodes to, in a fixed order. Null where it
  // gives the original, whose checksum every chunk has.
  std::vector<uint64_t> (*checksums)(const ChunkValues& values) = nullptr;
  std::unique_ptr<LayerEncoder> (*make_encoder)() = nullptr;
  std::unique_ptr<LayerDecoder> (*make_decoder)() = nullptr;
};

// INT8 codes and their scales (int8/int8_layer.cc).
extern const Layer kInt8Layer;
// The original weights, on top of `int8` (residual/residual_layer.cc).
extern const Layer kResidualLayer;
// The original bytes, losslessly by themselves (plain/plain_layer.cc).
extern const Layer kPlainLayer;

}  // namespace qstore::codec
