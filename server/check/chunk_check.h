// Decodes stored blobs of one chunk and compares them with its record: the
// same check right after encoding and when a revision is verified.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/chunk_codec.h"
#include "qstore/storage/v1/manifest.pb.h"
#include "server/codec_set.h"

namespace qstore::server {

// No chunk that this project writes decodes to more: 4 Mi weights of F32.
inline constexpr uint64_t kMaxChunkRawBytes = codec::kChunkWeights * 4;

// The codec's view of a chunk of a quantized object. DATA_LOSS when object and
// chunk contradict each other.
absl::StatusOr<codec::ChunkShape> ShapeOfChunk(
    const storage::v1::Object& object, const storage::v1::Chunk& chunk);

// Decodes codes and scales, then the weights, and compares each with its
// checksum in `chunk`. The weights stay in `codecs.raw`. DATA_LOSS says what
// differs.
absl::Status CheckQuantizedChunk(
    const codec::ChunkShape& shape, const storage::v1::Chunk& chunk,
    ByteView int8_blob, std::span<const codec::BlobView> residual,
    CodecSet& codecs);

// The same for a chunk of a plain or opaque object.
absl::Status CheckPlainChunk(const storage::v1::Chunk& chunk, ByteView blob,
                             CodecSet& codecs);

}  // namespace qstore::server
