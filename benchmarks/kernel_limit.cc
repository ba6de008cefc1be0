#include "benchmarks/kernel_limit.h"

#include <cstdint>

#include "codec/kernels/kernels.h"
#include "hwy/targets.h"

namespace qstore::codec {

std::string_view LimitedKernels(KernelLimit limit) {
  const std::string_view best = BestKernels().name;
  const ScopedKernelLimit scope(limit);
  const std::string_view limited = BestKernels().name;
  return limited == best && limit != KernelLimit::kNone ? std::string_view()
                                                        : limited;
}

ScopedKernelLimit::ScopedKernelLimit(KernelLimit limit) {
  ForceScalarKernels(limit == KernelLimit::kScalar);
  if (limit == KernelLimit::kAvx2) {
    // Highway numbers better targets lower.
    const int64_t better = int64_t{HWY_AVX2} - 1;
    const int64_t left = hwy::SupportedTargets() & ~better;
    if (left != 0) {
      hwy::SetSupportedTargetsForTest(left);
    }
  }
}

ScopedKernelLimit::~ScopedKernelLimit() {
  ForceScalarKernels(false);
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace qstore::codec
