// ObjectWriter of an upload: buffers an object until it is known whether it is
// small, then writes it to a table file of its own if it is not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/model_store.h"
#include "storage/small_object_batch.h"

namespace qstore::storage {

// An object with all chunks, ready to be given an id or dropped.
struct WrittenObject {
  v1::Object object;
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

  absl::Status AddChunk(v1::Chunk chunk,
                        std::span<const BlobToStore> blobs) override;
  absl::StatusOr<uint64_t> Finish(v1::Object object) override;

 private:
  absl::Status AddBlob(const BlobToStore& blob, v1::Chunk* chunk);
  absl::Status MoveToOwnTable();

  BlobStore& blobs_;
  WrittenObjectSink& sink_;
  v1::Object chunks_;  // only `chunks` and, when large, the id are set
  std::vector<BufferedBlob> buffered_;
  uint64_t buffered_bytes_ = 0;
  std::unique_ptr<BulkWriter> writer_;
  absl::Status failure_;  // of an earlier call; the object is lost
};

}  // namespace qstore::storage
