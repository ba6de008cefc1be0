// What a tensor would take as two copies, the measure of what the store saves.
#pragma once

#include <cstdint>

#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

uint64_t StoredBytes(const v1::BytesByKind& stored);
uint64_t StoredBytes(const v1::TensorSummary& tensor);

uint64_t ElementCount(const v1::TensorSummary& tensor);

// Of a quantized tensor: its bytes and one byte a weight. Of any other: its
// bytes twice, since it is in both directories.
uint64_t TwoCopiesBytes(const v1::TensorSummary& tensor);

// The quantized tensors of a revision together.
struct QuantizedTotals {
  uint64_t tensor_count = 0;
  uint64_t weight_count = 0;
  uint64_t int8_bytes = 0;
  uint64_t residual_bytes = 0;
  uint64_t two_copies_bytes = 0;

  uint64_t stored_bytes() const { return int8_bytes + residual_bytes; }
};
QuantizedTotals SumQuantized(const v1::GetRevisionResponse& revision);

}  // namespace qstore::client
