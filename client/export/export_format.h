// How a model in INT8 is laid out for engines. One format, one file; one line
// each in the table of export_format.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/dtype.h"
#include "base/safetensors.h"
#include "codec/chunk.h"

namespace qstore::client {

// What an exporter knows of a tensor before its bytes arrive.
struct ExportTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  bool quantized = false;  // then: two dimensions, F32, F16 or BF16
  codec::ScaleStrategy strategy = codec::ScaleStrategy::kChannel;
  uint32_t group_size = 0;
};

// Where the bytes of a tensor go, from the start of the file.
struct TensorPlace {
  bool quantized = false;
  uint64_t offset_bytes = 0;         // codes of quantized tensors
  uint64_t scales_offset_bytes = 0;  // of quantized tensors
};

// A safetensors file in INT8.
struct ShardLayout {
  ByteVector header;  // with its length field; goes to the start of the file
  std::vector<TensorPlace> places;  // one for each tensor of the original
  uint64_t file_bytes = 0;
};

class ExportFormat {
 public:
  virtual ~ExportFormat() = default;

  // Lays out one file. `tensors`: those of `original.tensors`, in their order.
  // FAILED_PRECONDITION, naming the tensor, when the format cannot hold one.
  virtual absl::StatusOr<ShardLayout> LayOutShard(
      const SafetensorsHeader& original,
      const std::vector<ExportTensor>& tensors) const = 0;

  // config.json of a directory that holds `tensors`, and the shard index beside
  // it (*.safetensors.index.json), both as text. Keys that are there stay.
  // FAILED_PRECONDITION when the text cannot be understood.
  virtual absl::StatusOr<std::string> RewriteConfig(
      const std::string& config,
      const std::vector<ExportTensor>& tensors) const = 0;
  virtual absl::StatusOr<std::string> RewriteIndex(
      const std::string& index,
      const std::vector<ExportTensor>& tensors) const = 0;
};

// Names for --format; the default first.
std::vector<std::string> ExportFormatNames();

// INVALID_ARGUMENT lists the names when `name` is none of them. The format
// lives as long as the process.
absl::StatusOr<const ExportFormat*> FindExportFormat(const std::string& name);

}  // namespace qstore::client
