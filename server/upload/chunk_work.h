// One chunk on its way from received bytes to stored blobs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "base/byte_budget.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "codec/layer_stack.h"
#include "model/object.h"
#include "server/codec_set.h"
#include "server/upload/object_plan.h"

namespace qstore::server {

// Bookkeeping of a chunk beside its bytes.
inline constexpr uint64_t kChunkOverheadBytes = 4096;

// Blobs take at most this (the codec falls back to raw planes), as far as the
// byte budget is concerned.
constexpr uint64_t EncodedLeaseBytes(uint64_t raw_bytes) {
  return raw_bytes + raw_bytes / 4 + kChunkOverheadBytes;
}

// The most that one chunk takes from the byte budget. Every upload can hold
// one chunk that waits for its client, so the budget must cover as many.
inline constexpr uint64_t kMaxChunkLeaseBytes =
    model::kMaxChunkRawBytes + EncodedLeaseBytes(model::kMaxChunkRawBytes);

struct ChunkWork {
  // Set before encoding.
  std::shared_ptr<const ObjectPlan> plan;
  uint32_t chunk_index = 0;
  ByteVector raw;  // emptied by EncodeChunk
  ByteBudget::Lease raw_lease;
  ByteBudget::Lease encoded_lease;

  // Set by EncodeChunk.
  model::Chunk record;  // without layers
  Sha256Digest raw_sha256{};
  std::vector<codec::EncodedLayer> layers;
};

// Encodes work->raw. With `verify`, decodes the result and compares it with
// what came in: INTERNAL when they differ, which would be a fault in the codec
// or in memory.
absl::Status EncodeChunk(bool verify, CodecSet& codecs, ChunkWork* work);

}  // namespace qstore::server
