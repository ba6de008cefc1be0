#include "tests/server/test_model.h"

#include <random>

#include "model/safetensors.h"

namespace qstore::server {
namespace {

uint64_t ElementCount(const TestTensor& tensor) {
  uint64_t count = 1;
  for (const uint64_t extent : tensor.shape) count *= extent;
  return count;
}

// A half-precision number of magnitude 2^-7 to 2^-3 and random sign.
uint16_t SomeHalf(std::mt19937_64& random) {
  const uint64_t bits = random();
  const auto exponent = static_cast<uint16_t>(8 + bits % 5);
  return static_cast<uint16_t>(((bits >> 32) & 0x83ff) | (exponent << 10));
}

}  // namespace

ByteVector TensorBytes(const TestTensor& tensor) {
  const uint32_t element_bytes = DtypeBits(tensor.dtype) / 8;
  ByteVector bytes(ElementCount(tensor) * element_bytes);
  std::mt19937_64 random(tensor.seed);
  std::normal_distribution<float> weight(0.0f, 0.03f);
  for (size_t i = 0; i < bytes.size(); i += element_bytes) {
    const uint32_t bits = std::bit_cast<uint32_t>(weight(random));
    switch (tensor.dtype) {
      case Dtype::kF32:
        StoreLittleEndian(bits, &bytes[i]);
        break;
      case Dtype::kBF16:
        StoreLittleEndian(static_cast<uint16_t>(bits >> 16), &bytes[i]);
        break;
      case Dtype::kF16:
        StoreLittleEndian(SomeHalf(random), &bytes[i]);
        break;
      default:
        for (size_t j = 0; j < element_bytes; ++j) {
          bytes[i + j] = static_cast<uint8_t>(random());
        }
    }
  }
  return bytes;
}

std::string SafetensorsFile(const std::vector<TestTensor>& tensors) {
  SafetensorsHeader header;
  header.metadata["format"] = "pt";
  ByteVector content;
  for (const TestTensor& tensor : tensors) {
    const ByteVector bytes = TensorBytes(tensor);
    header.tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                              content.size(), content.size() + bytes.size()});
    content.insert(content.end(), bytes.begin(), bytes.end());
  }
  std::string file(AsStringView(WriteSafetensorsHeader(header)));
  file += AsStringView(content);
  return file;
}

std::string RawSafetensors(const std::string& json, size_t size_bytes) {
  std::string file(kSafetensorsLengthBytes, '\0');
  StoreLittleEndian<uint64_t>(json.size(), file.data());
  file += json;
  file.append(size_bytes, '\1');
  return file;
}

TestModel VariedModel(uint64_t seed) {
  TestModel model;
  model["config.json"] = R"({"model_type": "test"})";
  model["tokenizer/vocab.txt"] = "[PAD]\n[UNK]\nhello\n";
  model["tokenizer/empty.txt"] = "";
  model["model-00001-of-00002.safetensors"] = SafetensorsFile({
      {"embeddings.word_embeddings.weight", Dtype::kBF16, {40, 16}, seed + 1},
      {"layer.0.query.weight", Dtype::kBF16, {64, 96}, seed + 2},
      {"layer.0.query.bias", Dtype::kBF16, {64}, seed + 3},
      {"layer.0.copy_of_query.weight", Dtype::kBF16, {64, 96}, seed + 2},
      {"layer.0.one_row.weight", Dtype::kF16, {1, 257}, seed + 4},
      {"layer.0.one_column.weight", Dtype::kF16, {131, 1}, seed + 5},
      {"layer.0.prime.weight", Dtype::kF32, {13, 17}, seed + 6},
  });
  model["model-00002-of-00002.safetensors"] = SafetensorsFile({
      {"scalar", Dtype::kF32, {}, seed + 7},
      {"empty.weight", Dtype::kBF16, {0, 5}, seed + 8},
      {"also_empty", Dtype::kI64, {3, 0, 2}, seed + 9},
      {"position_ids", Dtype::kI64, {1, 33}, seed + 10},
      {"mask", Dtype::kBool, {7, 3}, seed + 11},
      {"double", Dtype::kF64, {5, 5}, seed + 12},
      {"float8.weight", Dtype::kF8E4M3, {9, 4}, seed + 13},
      {"conv.weight", Dtype::kF16, {4, 3, 2, 2}, seed + 14},
      {"norm.weight", Dtype::kF32, {77}, seed + 15},
  });
  return model;
}

}  // namespace qstore::server
