// Chooses among the kernels.
#include <atomic>

#include "codec/kernels.h"

namespace qstore::codec {
const Kernels& BestKernels() { return ScalarKernels(); }
void ForceScalarKernels(bool) {}
}  // namespace qstore::codec
