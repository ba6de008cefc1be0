// Tensors for the tests of what is exported.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/export/export_format.h"

namespace qstore::client {

inline ExportTensor Tensor(const std::string& name, Dtype dtype,
                           std::vector<uint64_t> shape, bool quantized) {
  ExportTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.quantized = quantized;
  tensor.raw_bytes = TensorBytes(dtype, tensor.shape).value();
  return tensor;
}

inline std::vector<ExportTensor> SmallModel() {
  return {Tensor("emb.weight", Dtype::kBF16, {5, 3}, false),
          Tensor("a.weight", Dtype::kBF16, {3, 7}, true),
          Tensor("a.bias", Dtype::kBF16, {3}, false),
          Tensor("ids", Dtype::kI64, {2}, false),
          Tensor("b.weight", Dtype::kBF16, {1, 1}, true)};
}

inline std::vector<const ExportTensor*> PointersTo(
    const std::vector<ExportTensor>& tensors) {
  std::vector<const ExportTensor*> pointers;
  pointers.reserve(tensors.size());
  for (const ExportTensor& tensor : tensors) pointers.push_back(&tensor);
  return pointers;
}

inline const ExportFormat& FormatNamed(const std::string& name) {
  return **FindExportFormat(name);
}

}  // namespace qstore::client
