// Whether a header's tensors fit their shapes, each other and the file. Part of
// model/safetensors.h; not for use elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/safetensors.h"

namespace qstore {

// Checks one tensor on its own: its offsets are in order and within
// `data_bytes`, and span what its shape and dtype need. The message does not
// name the tensor.
absl::Status CheckTensorSpan(const TensorEntry& tensor, uint64_t data_bytes);

// Sorts by begin_bytes, then name, and checks that no name is used twice and
// that the tensors cover `data_bytes` without a hole or an overlap.
absl::Status SortAndCheckCoverage(uint64_t data_bytes,
                                  std::vector<TensorEntry>* tensors);

}  // namespace qstore
