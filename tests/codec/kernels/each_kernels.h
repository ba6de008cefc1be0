// Runs a test with the reference kernels and with those of every instruction
// set that this machine has.
#pragma once

#include <bit>
#include <cstdint>

#include "codec/kernels/kernels.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace qstore::codec {

// Calls function() while BestKernels is each of them in turn, the reference
// first.
template <typename Function>
void ForEachKernels(Function&& function) {
  ForceScalarKernels(true);
  {
    SCOPED_TRACE("scalar");
    function();
  }
  ForceScalarKernels(false);
  for (int64_t targets = hwy::SupportedTargets(); targets != 0;
       targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets & -targets);
    SCOPED_TRACE(BestKernels().name);
    function();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace qstore::codec
