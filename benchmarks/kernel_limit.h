// Makes the codec use lesser kernels than the machine's best.
#pragma once

#include <string_view>

namespace qstore::codec {

enum class KernelLimit { kNone, kAvx2, kScalar };

// What the limit leads to here; empty when that is what kNone leads to.
std::string_view LimitedKernels(KernelLimit limit);

// For as long as it lives. One at a time.
class ScopedKernelLimit {
 public:
  explicit ScopedKernelLimit(KernelLimit limit);
  ~ScopedKernelLimit();
  ScopedKernelLimit(const ScopedKernelLimit&) = delete;
  ScopedKernelLimit& operator=(const ScopedKernelLimit&) = delete;
};

}  // namespace qstore::codec
