#include "server/upload/opaque_ingest.h"

#include "base/status.h"

namespace qstore::server {

OpaqueIngest::OpaqueIngest(const FileIngestContext& context,
                           const std::string& label, uint64_t size_bytes)
    : size_bytes_(size_bytes) {
  if (size_bytes > 0) {
    splitter_.emplace(context.pipeline, PlanOpaque(label, size_bytes));
  }
}

absl::Status OpaqueIngest::Append(ByteView bytes) {
  return bytes.empty() ? absl::OkStatus() : splitter_->Append(bytes);
}

absl::StatusOr<std::vector<PendingSegment>> OpaqueIngest::Finish() {
  std::vector<PendingSegment> segments;
  if (splitter_) {
    QSTORE_ASSIGN_OR_RETURN(const size_t position, splitter_->Finish());
    segments.push_back({position, "", size_bytes_});
  }
  return segments;
}

}  // namespace qstore::server
