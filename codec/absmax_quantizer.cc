// Symmetric round to nearest: the largest finite magnitude gets code 127.
#include <algorithm>
#include <cfloat>

#include "codec/quantizer.h"

namespace qstore::codec {
namespace {

float QuantizeAbsmax(const Kernels& kernels, FloatFormat format,
                     const uint8_t* weights, size_t count, int8_t* codes) {
  const float absmax = kernels.finite_absmax(format, weights, count);
  // All zero: any scale does. A subnormal scale would be one that engines
  // flush to zero.
  const float scale = absmax == 0 ? 1.0f : std::max(absmax / 127.0f, FLT_MIN);
  kernels.round_to_codes(format, weights, count, scale, codes);
  return scale;
}

}  // namespace

const Quantizer kAbsmaxQuantizer = {
    .name = "absmax",
    .version = 1,
    .strategy = ScaleStrategy::kChannel,
    .quantize = QuantizeAbsmax,
};

}  // namespace qstore::codec
