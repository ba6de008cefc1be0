// What is known of an object beside its bytes. An object is a tensor, a file
// that is kept as bytes, or the header of a safetensors file; it is a run of
// chunks, and each chunk a stack of layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "codec/chunk.h"
#include "codec/layer.h"
#include "model/dtype.h"

namespace qstore::model {

// A stored value has at most this size: a blob is cut into values of exactly
// this size and a rest. What is read, pinned and sent is one value.
inline constexpr uint64_t kMaxValueBytes = 1u << 20;

// No chunk that this project writes decodes to more: 4 Mi weights of F32.
inline constexpr uint64_t kMaxChunkRawBytes = codec::kChunkWeights * 4;
// More than a coder needs for a chunk, however badly it does.
inline constexpr uint64_t kMaxBlobBytes = 2 * kMaxChunkRawBytes;
// What all layers of a chunk may take together.
inline constexpr uint64_t kMaxChunkStoredBytes = 4 * kMaxChunkRawBytes;
// As many as there are subgroup numbers.
inline constexpr size_t kMaxBlobsPerLayer = 256;

// What a value's key takes (docs/format.md, "Keys and records").
inline constexpr uint64_t kValueKeyBytes = 15;

constexpr uint32_t ValueCount(uint64_t blob_bytes) {
  return static_cast<uint32_t>((blob_bytes + kMaxValueBytes - 1) /
                               kMaxValueBytes);
}
// Of value `index` of a blob.
constexpr uint64_t ValueBytes(uint64_t blob_bytes, uint32_t index) {
  const uint64_t before = uint64_t{index} * kMaxValueBytes;
  const uint64_t left = blob_bytes - before;
  return left < kMaxValueBytes ? left : kMaxValueBytes;
}

struct Blob {
  uint8_t subgroup = 0;
  uint64_t size_bytes = 0;
  std::vector<uint64_t> value_xxh3;  // of each value, in order

  bool operator==(const Blob&) const = default;
};

struct LayerBlobs {
  codec::LayerNumber layer = codec::kNoLayer;
  std::vector<Blob> blobs;  // ascending by subgroup
  // codec::Layer::checksums; empty for the layer that gives the original.
  std::vector<uint64_t> decoded_xxh3;

  uint64_t size_bytes() const {
    uint64_t sum = 0;
    for (const Blob& blob : blobs) sum += blob.size_bytes;
    return sum;
  }
  bool operator==(const LayerBlobs&) const = default;
};

struct Chunk {
  uint64_t raw_bytes = 0;  // of the original
  uint64_t raw_xxh3 = 0;
  uint32_t rows = 0;  // of a quantized tensor
  // Bottom first; the last gives the original.
  std::vector<LayerBlobs> layers;

  bool operator==(const Chunk&) const = default;
};

struct Quantization {
  std::string quantizer;  // a name of codec/quantizer.h
  codec::ScaleStrategy strategy = codec::ScaleStrategy::kChannel;
  uint32_t group_size = 0;  // columns per scale under kGroup, else 0
  codec::Int8Coder coder = codec::Int8Coder::kZstd;  // that was asked for

  bool operator==(const Quantization&) const = default;
};

struct Object {
  uint64_t id = 0;  // in the store that holds it; 0: not stored
  Sha256Digest content_hash = {};
  std::optional<Dtype> dtype;  // of a tensor
  std::vector<uint64_t> shape;
  uint64_t raw_bytes = 0;
  std::optional<Quantization> quantization;  // of a quantized tensor
  std::vector<Chunk> chunks;

  bool is_tensor() const { return dtype.has_value(); }
  bool quantized() const { return quantization.has_value(); }

  bool operator==(const Object&) const = default;
};

}  // namespace qstore::model
