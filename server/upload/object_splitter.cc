#include "server/upload/object_splitter.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace qstore::server {

ObjectSplitter::ObjectSplitter(EncodePipeline* pipeline, ObjectPlan plan)
    : pipeline_(pipeline),
      plan_(std::make_shared<const ObjectPlan>(std::move(plan))),
      remaining_bytes_(plan_->record.raw_bytes) {}

absl::Status ObjectSplitter::Append(ByteView bytes) {
  while (!bytes.empty()) {
    if (chunk_ == nullptr) QSTORE_RETURN_IF_ERROR(BeginChunk());
    const size_t taken = std::min<uint64_t>(bytes.size(), chunk_missing_bytes_);
    chunk_->raw.insert(chunk_->raw.end(), bytes.begin(), bytes.begin() + taken);
    chunk_missing_bytes_ -= taken;
    remaining_bytes_ -= taken;
    bytes = bytes.subspan(taken);
    if (chunk_missing_bytes_ == 0) {
      QSTORE_RETURN_IF_ERROR(pipeline_->SubmitChunk(std::move(chunk_)));
    }
  }
  return absl::OkStatus();
}

void ObjectSplitter::DropPartial() {
  if (chunk_ == nullptr) return;
  remaining_bytes_ += chunk_->raw.size();
  next_chunk_index_ = chunk_->chunk_index;
  chunk_.reset();
}

absl::StatusOr<size_t> ObjectSplitter::Finish() {
  return pipeline_->EndObject(plan_);
}

absl::Status ObjectSplitter::BeginChunk() {
  chunk_missing_bytes_ = std::min(plan_->chunk_raw_bytes, remaining_bytes_);
  chunk_ = std::make_unique<ChunkWork>();
  chunk_->plan = plan_;
  chunk_->chunk_index = next_chunk_index_++;
  QSTORE_RETURN_IF_ERROR(
      pipeline_->Reserve(chunk_missing_bytes_, chunk_.get()));
  chunk_->raw.reserve(chunk_missing_bytes_);
  return absl::OkStatus();
}

}  // namespace qstore::server
