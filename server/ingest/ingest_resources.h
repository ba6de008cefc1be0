// What all uploads share, and the limits each of them has.
#pragma once

#include <cstdint>

#include "base/byte_budget.h"
#include "base/safetensors.h"
#include "base/thread_pool.h"
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

// Not owned; outlives every upload.
struct IngestResources {
  ThreadPool* encode_pool = nullptr;
  CodecPool* codecs = nullptr;
  ByteBudget* budget = nullptr;
  bool verify = true;
  IngestLimits limits;
};

}  // namespace qstore::server
