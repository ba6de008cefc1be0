// Small model directories, made in memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/dtype.h"

namespace qstore::server {

struct TestTensor {
  std::string name;
  Dtype dtype = Dtype::kBF16;
  std::vector<uint64_t> shape;
  // Tensors of equal seed, dtype and shape have equal bytes.
  uint64_t seed = 0;
};

// Normally distributed weights for floating-point types, random bytes for the
// others.
ByteVector TensorBytes(const TestTensor& tensor);

// A whole safetensors file; tensors lie in the order given.
std::string SafetensorsFile(const std::vector<TestTensor>& tensors);

// A file of this JSON and `size_bytes` bytes of data, whatever the JSON says.
std::string RawSafetensors(const std::string& json, size_t size_bytes);

// Path to content.
using TestModel = std::map<std::string, std::string>;

// Every float type, odd shapes, other dtypes, equal tensors, empty tensors,
// nested files and an empty file.
TestModel VariedModel(uint64_t seed);

}  // namespace qstore::server
