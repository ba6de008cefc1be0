// Tensors for the tests of what is quantized.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/safetensors.h"

namespace qstore::model {

inline TensorEntry Tensor(const std::string& name,
                          std::vector<uint64_t> shape = {64, 32},
                          Dtype dtype = Dtype::kBF16) {
  return {name, dtype, std::move(shape), 0, 0};
}

}  // namespace qstore::model
