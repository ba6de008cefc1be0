// What a tensor would take as two copies, the measure of what the store saves.
#pragma once

#include <cstdint>

#include "client/listing.h"
#include "model/layer_bytes.h"

namespace qstore::cli {

// Of a quantized tensor: its bytes and one byte a weight. Of any other: its
// bytes twice, since it is in both directories.
uint64_t TwoCopiesBytes(const client::TensorListing& tensor);

// The quantized tensors of a revision together.
struct QuantizedTotals {
  uint64_t tensor_count = 0;
  uint64_t weight_count = 0;
  model::LayerBytes stored;
  uint64_t two_copies_bytes = 0;
};
QuantizedTotals SumQuantized(const client::RevisionListing& revision);

}  // namespace qstore::cli
