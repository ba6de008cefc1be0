// Sends a model directory to qstored.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/command_line.h"
#include "client/connection.h"
#include "client/progress.h"
#include "client/retry.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct UploadResult {
  v1::UploadResponse response;
  std::string quantizer;
  // Not empty: the config.json for whose sake nothing was quantized.
  std::string quantized_config;
  uint64_t file_count = 0;
  uint64_t file_bytes = 0;
  uint64_t bytes_sent = 0;      // serialized requests
  uint64_t bytes_received = 0;  // serialized responses
  // Of file_bytes, what was at the server when the last attempt began.
  uint64_t resumed_bytes = 0;
  int attempts = 0;
  double seconds = 0;
};

// Walks and checks `options.source` before it connects. Goes on where an upload
// of the same files was interrupted, as far as the server has kept it, and
// tries again when the connection breaks. When it fails, nothing can be seen at
// the server.
absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    Retrier* retrier, Connection* connection,
                                    Progress* progress,
                                    Cancellation* cancellation);

}  // namespace qstore::client
