// Where the tensors of one exported safetensors file lie.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/export/export_format.h"
#include "model/safetensors.h"

namespace qstore::client {

// Where the bytes of a tensor go, from the start of the file.
struct TensorPlace {
  bool quantized = false;
  uint64_t offset_bytes = 0;         // codes of quantized tensors
  uint64_t scales_offset_bytes = 0;  // of quantized tensors
  CodeLayout codes;                  // of quantized tensors
  Dtype scales_dtype = Dtype::kF32;  // of quantized tensors
};

// A safetensors file in INT8.
struct ShardLayout {
  // Bytes that depend on no weight: the header with its length field at 0, and
  // shapes where the format has tensors of them.
  struct Literal {
    uint64_t offset_bytes = 0;
    ByteVector bytes;
  };
  std::vector<Literal> literals;
  std::vector<TensorPlace> places;  // one for each tensor of the original
  uint64_t file_bytes = 0;
};

// `tensors`: those of `original.tensors`, in their order. FAILED_PRECONDITION,
// naming the tensor, when the format cannot hold one.
// `format` may be null when none is quantized.
absl::StatusOr<ShardLayout> LayOutShard(
    const ExportFormat* format, const SafetensorsHeader& original,
    const std::vector<ExportTensor>& tensors);

}  // namespace qstore::client
