// Reads one stored chunk back and checks it: what Verify and the scrub do with
// each.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qstore/storage/v1/manifest.pb.h"
#include "server/codec_set.h"
#include "storage/model_store.h"

namespace qstore::server {

// The blobs of one chunk, pinned while they are decoded.
struct ChunkBlobs {
  storage::PinnedValue int8;
  std::vector<storage::PinnedValue> residual;
  storage::PinnedValue plain;
  uint64_t size_bytes = 0;
};

// Reads and checks one blob of the chunk at hand.
using BlobReader = std::function<absl::StatusOr<storage::PinnedValue>(
    storage::Family, const storage::v1::Blob&)>;

absl::StatusOr<ChunkBlobs> ReadChunkBlobs(const storage::v1::Object& object,
                                          uint32_t chunk_index,
                                          const BlobReader& read);

// Decodes the blobs and compares with what was recorded. DATA_LOSS says what
// differs.
absl::Status DecodeAndCheck(const storage::v1::Object& object,
                            uint32_t chunk_index, const ChunkBlobs& blobs,
                            CodecSet& codecs);

// DATA_LOSS when the chunks do not add up to the object.
absl::Status CheckChunkSum(const storage::v1::Object& object);

// Whether an error of the store or of the functions above tells of damage;
// every other one means that the store cannot be read.
bool IsDamage(absl::StatusCode code);

}  // namespace qstore::server
