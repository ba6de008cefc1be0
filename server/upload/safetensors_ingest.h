// A safetensors file: its header becomes one opaque object (so that the file
// can be given back byte for byte), each tensor an object of its own, in the
// order of their offsets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_budget.h"
#include "model/safetensors.h"
#include "server/upload/file_ingest.h"
#include "server/upload/object_splitter.h"

namespace qstore::server {

class SafetensorsIngest : public FileIngest {
 public:
  // `selection`: of the FileBegin, if it has one.
  SafetensorsIngest(const FileIngestContext& context, std::string label,
                    uint64_t size_bytes,
                    std::optional<v1::TensorSelection> selection);

  bool is_safetensors() const override { return true; }
  absl::Status Append(ByteView bytes) override;
  absl::StatusOr<std::vector<PendingSegment>> Finish() override;
  uint64_t partial_bytes() const override;
  void DropPartial() override;
  bool Save(upload::v1::UploadCheckpoint* checkpoint) const override;

  // Instead of the bytes up to the end of the checkpoint's last segment; before
  // anything else.
  absl::Status Restore(const upload::v1::UploadCheckpoint& checkpoint);

 private:
  // Takes bytes until `header_` has `target_bytes`; moves `bytes` past them.
  // True when it has.
  bool FillHeader(uint64_t target_bytes, ByteView* bytes);
  absl::Status CollectHeader(ByteView* bytes);
  absl::Status ParseHeader();
  absl::Status AppendToTensors(ByteView bytes);
  absl::Status BeginNextTensor();
  absl::Status EndTensor();

  const FileIngestContext context_;
  const std::string label_;
  const uint64_t size_bytes_;
  const std::optional<v1::TensorSelection> selection_;

  ByteVector header_;               // length field and JSON
  ByteBudget::Lease header_lease_;  // held until the header is parsed
  uint64_t header_bytes_ = 0;       // 0: the length field is not complete
  bool header_parsed_ = false;

  std::vector<TensorEntry> tensors_;
  std::vector<bool> quantized_;  // by tensor
  size_t next_tensor_ = 0;
  std::optional<ObjectSplitter> splitter_;  // of tensor next_tensor_ - 1
  std::vector<PendingSegment> segments_;
};

}  // namespace qstore::server
