// Turns the bytes of one uploaded file into objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "base/bytes.h"
#include "qstore/upload/v1/upload_checkpoint.pb.h"
#include "qstore/v1/model_store.pb.h"
#include "server/upload/encode_pipeline.h"
#include "server/upload/quantization_policy.h"

namespace qstore::server {

// A run of a file's bytes whose object the pipeline is still storing.
struct PendingSegment {
  size_t object_position = 0;  // among the pipeline's results
  std::string tensor_name;
  uint64_t raw_bytes = 0;
};

// Takes exactly the announced number of bytes: the caller checks that before.
class FileIngest {
 public:
  virtual ~FileIngest() = default;
  virtual bool is_safetensors() const = 0;
  // CANCELLED, where IngestResources::call_over says so, leaves this as it was
  // before.
  virtual absl::Status Append(ByteView bytes) = 0;
  // After the last byte.
  virtual absl::StatusOr<std::vector<PendingSegment>> Finish() = 0;

  // Bytes at the end of what came that no encoder has yet.
  virtual uint64_t partial_bytes() const = 0;
  // Forgets them, and the memory that they take: they will come again.
  virtual void DropPartial() = 0;

  // Puts what has come into the open file of `checkpoint`, and what is missing
  // of it. False: what the encoders have ends within an object.
  virtual bool Save(upload::v1::UploadCheckpoint* checkpoint) const = 0;
};

// What files of one upload share; all outlive the file ingests.
struct FileIngestContext {
  EncodePipeline* pipeline = nullptr;
  const QuantizationPolicy* policy = nullptr;
  const IngestResources* resources = nullptr;
  uint64_t* tensor_count = nullptr;    // of the upload so far
  uint64_t* metadata_bytes = nullptr;  // that it leases
  std::vector<ByteBudget::Lease>* metadata_leases = nullptr;  // of the upload
};

// Chooses by name: *.safetensors is parsed unless the client says `as_bytes`,
// everything else is bytes.
std::unique_ptr<FileIngest> NewFileIngest(const FileIngestContext& context,
                                          const v1::FileBegin& file);

// Goes on with the open file of a checkpoint. Errors say what is wrong with it.
absl::StatusOr<std::unique_ptr<FileIngest>> RestoreFileIngest(
    const FileIngestContext& context,
    const upload::v1::UploadCheckpoint& checkpoint);

}  // namespace qstore::server
