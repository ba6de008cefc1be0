#include "server/check/stored_chunk.h"

#include "base/status.h"
#include "model/chunk_layers.h"

namespace qstore::server {

absl::StatusOr<ByteVector> ReadStoredBytes(const model::Chunk& chunk,
                                           uint32_t layer_count,
                                           const ValueReader& read) {
  ByteVector bytes;
  bytes.reserve(model::StoredBytesOf(chunk, layer_count));
  for (const model::ValueAddress& value : model::ValuesOf(chunk, layer_count)) {
    QSTORE_ASSIGN_OR_RETURN(const storage::PinnedValue pinned, read(value));
    bytes.insert(bytes.end(), pinned.bytes().begin(), pinned.bytes().end());
  }
  return bytes;
}

absl::Status DecodeAndCheck(const model::Object& object,
                            const model::Chunk& chunk,
                            std::span<const codec::StoredLayer> layers,
                            CodecSet& codecs) {
  if (chunk.raw_bytes > model::kMaxChunkRawBytes) {
    return absl::DataLossError("the record says more than a chunk may have");
  }
  codecs.raw.resize(chunk.raw_bytes);
  codecs.values.original = codecs.raw;
  return model::DecodeLayers(object, chunk, layers, &codecs.decoder,
                             &codecs.values);
}

bool IsDamage(absl::StatusCode code) {
  return code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kInvalidArgument;
}

}  // namespace qstore::server
