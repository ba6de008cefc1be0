// Objects and revisions for tests: any bytes will do as blobs, since the store
// does not look into them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/model_store.h"

namespace qstore::storage {

// One object as an uploader has it.
struct SampleObject {
  v1::Object object;  // without id and chunks
  struct SampleBlob {
    Family family;
    uint8_t subgroup;
    ByteVector bytes;
  };
  struct SampleChunk {
    v1::Chunk chunk;
    std::vector<SampleBlob> blobs;
  };
  std::vector<SampleChunk> chunks;

  Sha256Digest content_hash() const;
};

// A quantized BF16 matrix of two chunks with three residual blobs each; the
// content follows from the seed.
SampleObject QuantizedSample(uint64_t seed, uint32_t rows = 64,
                             uint32_t columns = 128);
// An F32 vector.
SampleObject PlainSample(uint64_t seed, uint64_t elements = 100);
// A file.
SampleObject OpaqueSample(uint64_t seed, uint64_t size_bytes = 500);
// Over 8 MiB stored: it gets a table file of its own.
SampleObject LargeSample(uint64_t seed);

// Adds it whether the store has it or not.
absl::StatusOr<uint64_t> AddSample(Upload* upload, const SampleObject& sample);

v1::Segment SegmentOf(uint64_t object_id, const SampleObject& sample,
                      const std::string& tensor_name);

// "model.safetensors" made of `tensors`, plus "config.json" made of
// OpaqueSample(config_seed). Finds or adds each object.
absl::StatusOr<v1::Revision> DraftOf(Upload* upload, const std::string& model,
                                     const std::vector<SampleObject>& tensors,
                                     uint64_t config_seed);

// The whole life of an upload.
absl::StatusOr<Upload::CommitResult> UploadSamples(
    ModelStore* store, const std::string& model, const std::string& tag,
    const std::vector<SampleObject>& tensors, uint64_t config_seed = 1);

// Reads every blob of the revision; checks nothing but what the store checks.
// Returns how many blobs there are.
absl::StatusOr<int> ReadAllBlobs(RevisionReader* reader);

}  // namespace qstore::storage
