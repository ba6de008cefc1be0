// Cuts the bytes of one object, as they arrive, into chunks.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "server/upload/encode_pipeline.h"
#include "server/upload/object_plan.h"

namespace qstore::server {

class ObjectSplitter {
 public:
  // `pipeline` outlives this.
  ObjectSplitter(EncodePipeline* pipeline, ObjectPlan plan);

  // Takes at most remaining_bytes().
  absl::Status Append(ByteView bytes);

  // Bytes of the object that have not come yet.
  uint64_t remaining_bytes() const { return remaining_bytes_; }

  // Bytes of the chunk that is being filled.
  uint64_t partial_bytes() const {
    return chunk_ == nullptr ? 0 : chunk_->raw.size();
  }
  // Whether the encoders have anything of the object.
  bool any_submitted() const {
    return next_chunk_index_ > (chunk_ == nullptr ? 0u : 1u);
  }
  // Gives that chunk up, its leases too; its bytes remain to come again.
  void DropPartial();

  // Call once, when no byte remains. Returns the object's position among the
  // pipeline's results.
  absl::StatusOr<size_t> Finish();

 private:
  absl::Status BeginChunk();

  EncodePipeline* const pipeline_;
  const std::shared_ptr<const ObjectPlan> plan_;
  uint64_t remaining_bytes_;
  uint32_t next_chunk_index_ = 0;
  std::unique_ptr<ChunkWork> chunk_;  // being filled
  uint64_t chunk_missing_bytes_ = 0;  // of chunk_
};

}  // namespace qstore::server
