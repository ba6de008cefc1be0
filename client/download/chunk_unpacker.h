// Turns a stored chunk into what goes into files, and checks every checksum on
// the way.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "client/download/chunk_assembler.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Either `raw`, or `codes` and `scales` (float32) of a quantized chunk in INT8.
struct UnpackedChunk {
  ByteView raw;
  ByteView codes;
  ByteView scales;
};

// Keep one per thread: it reuses its memory. Not thread-safe.
class ChunkUnpacker {
 public:
  // Views into this object, valid until the next call. DATA_LOSS names tensor,
  // chunk and blob when stored or decoded bytes are not what their checksums
  // say, or when they cannot be decoded.
  absl::Status Unpack(const StoredChunk& chunk, v1::Precision precision,
                      UnpackedChunk* out);

 private:
  absl::Status UnpackInt8(const StoredChunk& chunk, ByteView blob,
                          UnpackedChunk* out);
  absl::Status UnpackWeights(const StoredChunk& chunk,
                             const std::vector<ByteView>& blobs);

  codec::ChunkDecoder chunk_decoder_;
  codec::PlainCodec plain_codec_;
  ByteVector raw_;
  std::vector<int8_t> codes_;
  std::vector<float> scales_;
};

}  // namespace qstore::client
