// A manifest for tests: one safetensors file with a quantized matrix of three
// chunks, an F16 vector and an I64 matrix, a second file that shares the
// vector, and config.json.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/manifest.h"

namespace qstore::model {

inline Blob SampleBlob(uint8_t subgroup, uint64_t size_bytes) {
  Blob blob;
  blob.subgroup = subgroup;
  blob.size_bytes = size_bytes;
  blob.value_xxh3.assign(ValueCount(size_bytes), 7);
  return blob;
}

// A chunk in the layer `plain`.
inline Chunk PlainChunk(uint64_t raw_bytes) {
  Chunk chunk;
  chunk.raw_bytes = raw_bytes;
  chunk.layers = {
      {.layer = 3,
       .blobs = {SampleBlob(0, std::max<uint64_t>(1, raw_bytes / 2))},
       .decoded_xxh3 = {}}};
  return chunk;
}

// A BF16 matrix of rows of 1024 columns, in chunks of at most 4096 rows.
inline Object QuantizedMatrix(uint64_t rows) {
  constexpr uint64_t kColumns = 1024;
  constexpr uint64_t kRowsPerChunk = 4096;
  Object object;
  object.dtype = Dtype::kBF16;
  object.shape = {rows, kColumns};
  object.raw_bytes = rows * kColumns * 2;
  object.quantization = Quantization{.quantizer = "absmax"};
  for (uint64_t first = 0; first < rows; first += kRowsPerChunk) {
    Chunk chunk;
    chunk.rows = static_cast<uint32_t>(std::min(kRowsPerChunk, rows - first));
    chunk.raw_bytes = uint64_t{chunk.rows} * kColumns * 2;
    chunk.layers = {
        {.layer = 1,
         .blobs = {SampleBlob(0, chunk.raw_bytes / 2)},
         .decoded_xxh3 = {1, 2}},
        {.layer = 2,
         .blobs = {SampleBlob(0, 20), SampleBlob(5, chunk.raw_bytes / 4)},
         .decoded_xxh3 = {}}};
    object.chunks.push_back(std::move(chunk));
  }
  return object;
}

inline Object PlainTensor(Dtype dtype, std::vector<uint64_t> shape,
                          uint64_t raw_bytes) {
  Object object;
  object.dtype = dtype;
  object.shape = std::move(shape);
  object.raw_bytes = raw_bytes;
  object.chunks = {PlainChunk(raw_bytes)};
  return object;
}

inline Object OpaqueObject(uint64_t raw_bytes) {
  Object object;
  object.raw_bytes = raw_bytes;
  object.chunks = {PlainChunk(raw_bytes)};
  return object;
}

inline Manifest SampleManifest() {
  Manifest manifest;
  manifest.model = "org/sample";
  manifest.revision = std::string(64, 'a');
  manifest.quantizer = "absmax";
  // 0 header, 1 matrix, 2 vector, 3 ids, 4 second header, 5 config.
  manifest.objects = {OpaqueObject(300),
                      QuantizedMatrix(10'000),
                      PlainTensor(Dtype::kF16, {100}, 200),
                      PlainTensor(Dtype::kI64, {10, 4}, 320),
                      OpaqueObject(100),
                      OpaqueObject(50)};
  const auto segment = [&](size_t object, const std::string& name) {
    return Segment{object, name, manifest.objects[object].raw_bytes};
  };
  manifest.files = {
      {.path = "a.safetensors",
       .size_bytes = 0,
       .safetensors = true,
       .segments = {segment(0, ""), segment(1, "layers.0.up.weight"),
                    segment(2, "norm.weight"), segment(3, "ids")}},
      {.path = "b.safetensors",
       .size_bytes = 0,
       .safetensors = true,
       .segments = {segment(4, ""), segment(2, "other.weight")}},
      {.path = "config.json",
       .size_bytes = 0,
       .safetensors = false,
       .segments = {segment(5, "")}}};
  for (File& file : manifest.files) {
    for (const Segment& part : file.segments) file.size_bytes += part.raw_bytes;
  }
  return manifest;
}

}  // namespace qstore::model
