// Which Object and Revision messages are well formed. Checked when a record is
// written, where a breach is the caller's INVALID_ARGUMENT, and again when one
// is read, where it is damage.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "qstore/storage/v1/manifest.pb.h"

namespace qstore::storage {

// Four Mi weights of four bytes.
inline constexpr uint64_t kMaxChunkRawBytes = 16u << 20;
inline constexpr uint64_t kMaxBlobBytes = 32u << 20;
inline constexpr size_t kMaxRecordBytes = 1u << 30;

// The id, the kind and what each kind must have; sizes of chunks add up to the
// object's, rows to the tensor's; blobs are those of the kind, in order and
// within kMaxBlobBytes. INVALID_ARGUMENT names the chunk and the rule.
absl::Status ValidateObject(const v1::Object& object);

// Names are valid, paths unique and none inside another; sizes of segments add
// up to the file's. INVALID_ARGUMENT names the file and the rule.
absl::Status ValidateRevision(const v1::Revision& revision);

}  // namespace qstore::storage
