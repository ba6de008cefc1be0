// A file that is stored as bytes: one object, or none when it is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/upload/file_ingest.h"
#include "server/upload/object_splitter.h"

namespace qstore::server {

class OpaqueIngest : public FileIngest {
 public:
  OpaqueIngest(const FileIngestContext& context, const std::string& label,
               uint64_t size_bytes);

  bool is_safetensors() const override { return false; }
  absl::Status Append(ByteView bytes) override;
  absl::StatusOr<std::vector<PendingSegment>> Finish() override;
  uint64_t partial_bytes() const override {
    return splitter_ ? splitter_->partial_bytes() : 0;
  }
  void DropPartial() override {
    if (splitter_) splitter_->DropPartial();
  }
  // It is one object.
  bool Save(upload::v1::UploadCheckpoint* /*checkpoint*/) const override {
    return false;
  }

 private:
  const uint64_t size_bytes_;
  std::optional<ObjectSplitter> splitter_;  // none: the file is empty
};

}  // namespace qstore::server
