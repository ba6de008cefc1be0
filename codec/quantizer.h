// Quantizers: how scales and codes are chosen when the user brings only
// weights. The codec can rebuild weights from any scales and codes; a good
// quantizer makes the codes useful, and the nearest ones cheap.
#pragma once

#include <cstdint>
#include <string_view>

#include "codec/chunk.h"
#include "codec/kernels/kernels.h"

namespace qstore::codec {

struct Quantizer {
  std::string_view name;
  // Chooses one scale, finite and positive, and the codes of the weights that
  // share it. Deterministic.
  float (*quantize)(const Kernels& kernels, FloatFormat format,
                    const uint8_t* weights, size_t count, int8_t* codes);
};

// scale = absmax / 127 (absmax_quantizer.cc).
extern const Quantizer kAbsmaxQuantizer;

// nullptr when the name is unknown.
const Quantizer* FindQuantizer(std::string_view name);

}  // namespace qstore::codec
