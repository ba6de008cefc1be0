// A chunk's stored bytes as what the codec decodes.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/layer_stack.h"
#include "model/object.h"

namespace qstore::model {

// `bytes` are the values of the lowest `layer_count` layers one after another,
// as ValuesOf lists them, StoredBytesOf of them. The result refers to `bytes`
// and `chunk`.
std::vector<codec::StoredLayer> SplitLayers(const Chunk& chunk,
                                            uint32_t layer_count,
                                            ByteView bytes);

// Decodes them and compares everything with its checksum in `chunk`.
// values->original is the caller's, with room for chunk.raw_bytes when all
// layers are there. DATA_LOSS names the layer.
absl::Status DecodeLayers(const Object& object, const Chunk& chunk,
                          std::span<const codec::StoredLayer> layers,
                          codec::StackDecoder* decoder,
                          codec::ChunkValues* values);

}  // namespace qstore::model
