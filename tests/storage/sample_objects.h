// Objects and revisions for tests: any bytes will do as blobs, since the store
// does not look into them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/model_store.h"

namespace qstore::storage {

// One object as an uploader has it.
struct SampleObject {
  model::Object object;  // without id and chunks
  struct SampleLayer {
    codec::LayerNumber layer;
    std::vector<codec::EncodedBlob> blobs;
  };
  struct SampleChunk {
    model::Chunk chunk;  // without layers
    std::vector<SampleLayer> layers;

    // As ObjectWriter::AddChunk takes them; good while the chunk lives.
    std::vector<LayerToStore> to_store() const;
  };
  std::vector<SampleChunk> chunks;

  const Sha256Digest& content_hash() const { return object.content_hash; }
  // Of all chunks.
  int value_count() const;
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
// Values that LargeSample is stored as.
inline constexpr int kLargeSampleValues = 9;

// Adds it whether the store has it or not.
absl::StatusOr<uint64_t> AddSample(Upload* upload, const SampleObject& sample);

StoredSegment SegmentOf(uint64_t object_id, const SampleObject& sample,
                        const std::string& tensor_name);

// "model.safetensors" made of `tensors`, plus "config.json" made of
// OpaqueSample(config_seed). Finds or adds each object.
absl::StatusOr<StoredRevision> DraftOf(Upload* upload, const std::string& model,
                                       const std::vector<SampleObject>& tensors,
                                       uint64_t config_seed);

// The whole life of an upload.
absl::StatusOr<Upload::CommitResult> UploadSamples(
    ModelStore* store, const std::string& model, const std::string& tag,
    const std::vector<SampleObject>& tensors, uint64_t config_seed = 1);

// Hands on every stored value of the object, in the order of the plan.
absl::Status ForEachValue(
    RevisionReader* reader, const model::Object& object,
    const std::function<void(const model::ValueAddress&, ByteView)>& take);

// The layers of a chunk, with their blobs put together again.
absl::StatusOr<std::vector<SampleObject::SampleLayer>> ReadLayers(
    RevisionReader* reader, const model::Object& object, uint32_t chunk_index);

// Reads every value of the revision; checks nothing but what the store checks.
// Returns how many there are.
absl::StatusOr<int> ReadAllValues(RevisionReader* reader);

}  // namespace qstore::storage
