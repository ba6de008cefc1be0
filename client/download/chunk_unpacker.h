// Turns a stored chunk into what goes into files, and checks every checksum on
// the way.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/layer_stack.h"
#include "model/object.h"

namespace qstore::client {

// Either `raw`, or `codes` and `scales` (float32) of a lower precision.
struct UnpackedChunk {
  ByteView raw;
  ByteView codes;
  ByteView scales;
};

// Keep one per thread: it reuses its memory. Not thread-safe.
class ChunkUnpacker {
 public:
  // `stored`: the values of the lowest `layer_count` layers. Views into this
  // object, valid until the next call. DATA_LOSS names layer and value when
  // stored or decoded bytes are not what their checksums say, or when they
  // cannot be decoded.
  absl::Status Unpack(const model::Object& object, const model::Chunk& chunk,
                      uint32_t layer_count, ByteView stored,
                      UnpackedChunk* out);

 private:
  codec::StackDecoder decoder_;
  codec::ChunkValues values_;
  ByteVector raw_;
};

}  // namespace qstore::client
