// What an upload keeps in memory of each object it uses: enough to check and to
// account for a revision without reading the objects' records again.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "qstore/storage/v1/manifest.pb.h"

namespace qstore::storage {

struct ObjectSummary {
  uint64_t object_id = 0;
  v1::ObjectKind kind = v1::OBJECT_KIND_UNSPECIFIED;
  Sha256Digest content_hash = {};
  uint64_t raw_bytes = 0;
  // Size in the INT8 copy of the model: for a quantized tensor one byte a
  // weight and four a scale, otherwise raw_bytes.
  uint64_t int8_copy_bytes = 0;
  // Values and their keys by what they serve; `other` includes the object's
  // own records.
  uint64_t int8_bytes = 0;
  uint64_t residual_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t other_bytes = 0;

  uint64_t stored_bytes() const {
    return int8_bytes + residual_bytes + plain_bytes + other_bytes;
  }
};

// `object` is valid (storage/records/validate_records.h).
ObjectSummary Summarize(const v1::Object& object);

}  // namespace qstore::storage
