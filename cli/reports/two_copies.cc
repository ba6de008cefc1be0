#include "cli/reports/two_copies.h"

namespace qstore::cli {

uint64_t TwoCopiesBytes(const client::TensorListing& tensor) {
  return tensor.quantized ? tensor.raw_bytes + tensor.element_count()
                          : 2 * tensor.raw_bytes;
}

QuantizedTotals SumQuantized(const client::RevisionListing& revision) {
  QuantizedTotals totals;
  for (const client::FileListing& file : revision.files) {
    for (const client::TensorListing& tensor : file.tensors) {
      if (!tensor.quantized) continue;
      ++totals.tensor_count;
      totals.weight_count += tensor.element_count();
      totals.stored += tensor.stored;
      totals.two_copies_bytes += TwoCopiesBytes(tensor);
    }
  }
  return totals;
}

}  // namespace qstore::cli
