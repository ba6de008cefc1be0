// Sends a model directory to qstored.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/options.h"
#include "client/progress.h"
#include "client/retry.h"
#include "client/upload/upload_plan.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct UploadResult {
  v1::UploadResponse response;
  std::string quantizer;
  uint64_t quantized_tensors = 0;
  uint64_t file_count = 0;
  uint64_t file_bytes = 0;
  uint64_t bytes_sent = 0;      // serialized requests
  uint64_t bytes_received = 0;  // serialized responses
  // Of file_bytes, what was at the server when the last attempt began.
  uint64_t resumed_bytes = 0;
  int attempts = 0;
  double seconds = 0;
};

// Sends what `plan`, made of the same options, says. Goes on where an upload
// of the same files was interrupted, as far as the server has kept it, and
// tries again when the connection breaks. When it fails, nothing can be seen at
// the server.
absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    const UploadPlan& plan, Retrier* retrier,
                                    Connection* connection, Progress* progress,
                                    Cancellation* cancellation);

}  // namespace qstore::client
