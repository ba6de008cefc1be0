// compressed-tensors, format `int-quantized` (W8A8: activations are quantized
// too, per token): what vLLM and SGLang compute in INT8 and Transformers loads.
// Source: compressed_tensors/compressors of
// https://github.com/vllm-project/compressed-tensors (naive quantization).
//
// Per quantized weight P.weight [N, K]:
//   P.weight        I8   [N, K]
//   P.weight_scale  F32  [N, 1] (channel), [1] (tensor), [N, K/G] (group)
// so that W = weight * weight_scale. Other tensors keep their bytes.
#pragma once

#include "client/export/export_format.h"

namespace qstore::client {

const ExportFormat* IntQuantizedFormat();

}  // namespace qstore::client
