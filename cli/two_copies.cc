#include "cli/two_copies.h"

namespace qstore::client {

uint64_t StoredBytes(const v1::BytesByKind& stored) {
  return stored.int8() + stored.residual() + stored.plain() + stored.other();
}

uint64_t StoredBytes(const v1::TensorSummary& tensor) {
  return tensor.int8_bytes() + tensor.residual_bytes() + tensor.plain_bytes();
}

uint64_t ElementCount(const v1::TensorSummary& tensor) {
  uint64_t count = 1;
  for (const uint64_t extent : tensor.shape()) count *= extent;
  return count;
}

uint64_t TwoCopiesBytes(const v1::TensorSummary& tensor) {
  return tensor.quantized() ? tensor.raw_bytes() + ElementCount(tensor)
                            : 2 * tensor.raw_bytes();
}

QuantizedTotals SumQuantized(const v1::GetRevisionResponse& revision) {
  QuantizedTotals totals;
  for (const v1::FileSummary& file : revision.files()) {
    for (const v1::TensorSummary& tensor : file.tensors()) {
      if (!tensor.quantized()) continue;
      ++totals.tensor_count;
      totals.weight_count += ElementCount(tensor);
      totals.int8_bytes += tensor.int8_bytes();
      totals.residual_bytes += tensor.residual_bytes();
      totals.two_copies_bytes += TwoCopiesBytes(tensor);
    }
  }
  return totals;
}

}  // namespace qstore::client
