// Sends a model directory to qstored.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/command_line.h"
#include "client/connection.h"
#include "client/progress.h"
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
  uint64_t bytes_received = 0;  // serialized response
  double seconds = 0;
};

// Walks and checks `options.source` before it connects. When it fails, nothing
// is stored.
absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    double connect_timeout_seconds,
                                    Connection* connection, Progress* progress,
                                    Cancellation* cancellation);

}  // namespace qstore::client
