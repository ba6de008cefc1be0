// compressed-tensors, format `pack-quantized` with 8 bits (W8A16: activations
// stay in floats), which costs less quality than W8A8. Source:
// compressed_tensors/compressors of
// https://github.com/vllm-project/compressed-tensors (pack quantized).
//
// Per quantized weight P.weight [N, K]:
//   P.weight_packed  I32  [N, ceil(K/4)]: code + 128 as unsigned bytes, four a
//                    word, little-endian along K, filled up with zeros
//   P.weight_scale   as in int_quantized.h, but of experts in their own type
//   P.weight_shape   I64  [2]: N, K
#pragma once

#include "client/export/export_format.h"

namespace qstore::client {

const ExportFormat* PackQuantizedFormat();

}  // namespace qstore::client
