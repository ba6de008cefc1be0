// ObjectWriter of an upload: buffers an object until it is known whether it is
// small, then writes it to a table file of its own if it is not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/model_store.h"
#include "storage/objects/small_object_batch.h"

namespace qstore::storage {

// An object with all chunks, ready to be given an id or dropped.
struct WrittenObject {
  model::Object object;
  // Of a small object; the object has no id yet.
  std::vector<BufferedBlob> buffered;
  // Of a large object, which has an id.
  std::unique_ptr<BulkWriter> writer;
};

// What the upload does with its writers.
class WrittenObjectSink {
 public:
  virtual ~WrittenObjectSink() = default;
  virtual uint64_t TakeLargeObjectId() = 0;
  virtual absl::StatusOr<uint64_t> Take(WrittenObject written) = 0;
  // The writer is gone.
  virtual void WriterDestroyed() = 0;
};

class ObjectWriterImpl final : public ObjectWriter {
 public:
  ObjectWriterImpl(BlobStore* blobs, WrittenObjectSink* sink)
      : blobs_(*blobs), sink_(*sink) {}
  ~ObjectWriterImpl() override { sink_.WriterDestroyed(); }

  absl::Status AddChunk(model::Chunk chunk,
                        std::span<const LayerToStore> layers) override;
  absl::StatusOr<uint64_t> Finish(model::Object object) override;

 private:
  absl::Status AddLayer(const LayerToStore& layer, model::Chunk* chunk);
  absl::Status AddBlob(codec::LayerNumber layer,
                       const codec::EncodedBlob& blob);
  absl::Status MoveToOwnTable();

  BlobStore& blobs_;
  WrittenObjectSink& sink_;
  std::vector<model::Chunk> chunks_;
  uint64_t object_id_ = 0;  // once it is large
  std::vector<BufferedBlob> buffered_;
  uint64_t buffered_bytes_ = 0;
  std::unique_ptr<BulkWriter> writer_;
  absl::Status failure_;  // of an earlier call; the object is lost
};

}  // namespace qstore::storage
