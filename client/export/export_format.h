// How a model in INT8 is laid out for engines. One format, one file; one line
// each in the table of export_format.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/export/code_layout.h"
#include "codec/chunk.h"
#include "model/dtype.h"
#include "nlohmann/json.hpp"

namespace qstore::client {

// What an exporter knows of a tensor before its bytes arrive.
struct ExportTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t raw_bytes = 0;
  bool quantized = false;  // then: two dimensions, F32, F16 or BF16
  codec::ScaleStrategy strategy = codec::ScaleStrategy::kChannel;
  uint32_t group_size = 0;
};

// A tensor of the exported file that stands for (a part of) a quantized one.
struct ExportedPart {
  enum class Role { kCodes, kScales, kShape };
  Role role = Role::kCodes;
  std::string name;
  Dtype dtype = Dtype::kI8;  // of whole bytes
  std::vector<uint64_t> shape;

  uint64_t size_bytes() const;
};

class ExportFormat {
 public:
  virtual ~ExportFormat() = default;

  // What a quantized tensor becomes; its codes first.
  virtual std::vector<ExportedPart> Parts(const ExportTensor& tensor) const = 0;
  virtual CodeLayout CodesOf(const ExportTensor& tensor) const = 0;

  // "format" of the quantization_config, and its "input_activations".
  virtual const char* config_format() const = 0;
  virtual nlohmann::ordered_json input_activations() const = 0;
  // Whether Transformers 5 finds the experts of a mixture by the group that its
  // config has for them (compressed_tensors_config.cc says why).
  virtual bool needs_experts_group() const = 0;
};

// "experts.7.up_proj" and what other mixtures call theirs.
bool IsOneOfExperts(const std::string& name);

// Names for --format; the default first.
std::vector<std::string> ExportFormatNames();

// INVALID_ARGUMENT lists the names when `name` is none of them. The format
// lives as long as the process.
absl::StatusOr<const ExportFormat*> FindExportFormat(const std::string& name);

// FAILED_PRECONDITION, INT8_NOT_EXPORTABLE: the sentence says what the format
// cannot hold, and what to do instead.
absl::Status NotExportableError(const std::string& sentence);

// [1], [rows, 1] or [rows, columns / group]. NotExportableError when groups do
// not divide the columns, which no format can hold.
absl::StatusOr<std::vector<uint64_t>> ScaleShape(const ExportTensor& tensor);

}  // namespace qstore::client
