// What all uploads share, and the limits each of them has.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/byte_budget.h"
#include "base/cancellation_watch.h"
#include "base/thread_pool.h"
#include "model/safetensors.h"
#include "server/codec_set.h"

namespace qstore::server {

// Past one of these an upload fails with INVALID_ARGUMENT.
struct IngestLimits {
  uint64_t max_files = 100'000;
  uint64_t max_file_bytes = uint64_t{1} << 42;    // 4 TiB
  uint64_t max_upload_bytes = uint64_t{1} << 44;  // 16 TiB
  uint64_t max_safetensors_header_bytes = kDefaultMaxSafetensorsHeaderBytes;
  // Over all files: bounds the revision's record.
  uint64_t max_tensors = 1'000'000;
};

// When an upload that may be gone on with is remembered on disk, for the case
// that this process ends.
struct CheckpointRule {
  std::chrono::seconds window{0};   // how long; 0: it is not
  uint64_t every_bytes = 64 << 20;  // received; at the next object's end
};

class DiskReserve;
class Quotas;

// Not owned; outlives every upload. Null pointers: no such bound.
struct IngestResources {
  ThreadPool* encode_pool = nullptr;
  CodecPool* codecs = nullptr;
  ByteBudget* budget = nullptr;
  bool verify = true;
  IngestLimits limits;
  // For what is kept of each tensor until the commit.
  ByteBudget* metadata = nullptr;
  const DiskReserve* disk_reserve = nullptr;
  Quotas* quotas = nullptr;
  CheckpointRule checkpoints = {};
  // Set for each upload: whether its call is over. Asked by the watches of the
  // budget and of the pipeline, while the upload waits. Empty: never.
  std::function<bool()> cancelled = {};
  // The same for what computes long, also of an upload that may be gone on with
  // (UploadSession::set_call_over). Empty: never.
  std::function<bool()> call_over = {};
  CancellationWatch* cancellations = nullptr;  // of use with `cancelled` alone
};

}  // namespace qstore::server
