// Memory for the lists of tensors that a call keeps: small beside weights, but
// in proportion to the model, and every call has its own.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "model/safetensors.h"
#include "storage/model_store.h"

namespace qstore::server {

// What an upload keeps of each tensor from its header to the commit: names and
// shapes of usual sizes are in it, of longer ones there are some copies.
inline constexpr uint64_t kUploadBytesPerTensor = 1024;
uint64_t UploadBytesOf(const TensorEntry& tensor);

// RESOURCE_EXHAUSTED with a retry hint when other calls have taken `budget`, or
// without one when it is smaller than `bytes` altogether. Never blocks: calls
// hold it while they wait for chunks.
absl::StatusOr<ByteBudget::Lease> LeaseMetadata(ByteBudget* budget,
                                                uint64_t bytes);

// For a revision that is held open and sent, verified or summarized.
absl::StatusOr<ByteBudget::Lease> LeaseMetadata(
    ByteBudget* budget, const storage::RevisionReader& reader);

}  // namespace qstore::server
