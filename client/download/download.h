// Fetches a revision from qstored, decodes it and writes its files.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/options.h"
#include "client/progress.h"
#include "client/retry.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct DownloadResult {
  std::string model;
  std::string revision;
  std::string precision;  // "original" or "int8"
  // Of INT8 files; empty when the files are those that were uploaded.
  std::string format;
  uint64_t file_count = 0;
  uint64_t file_bytes = 0;
  uint64_t bytes_sent = 0;      // serialized requests
  uint64_t bytes_received = 0;  // serialized responses, = sum of received
  // Payload by kind; what is around it (manifests, message headers) counts as
  // `other`.
  v1::BytesByKind received;
  // Stored bytes that an interrupted download had fetched and the last attempt
  // did not fetch again.
  uint64_t resumed_bytes = 0;
  int attempts = 0;
  double seconds = 0;
};

// Either all files are in `options.directory`, checked and synced, or the
// directory is as it was (see staging.h). Goes on where a download of the same
// to the same place was interrupted, and tries again when the connection
// breaks. Memory is bounded by `options.memory_mib` and by one decoder a
// thread.
absl::StatusOr<DownloadResult> Download(const DownloadOptions& options,
                                        Retrier* retrier,
                                        Connection* connection,
                                        Progress* progress,
                                        Cancellation* cancellation);

}  // namespace qstore::client
