// What an object will be, decided before its first byte arrives.
#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "codec/chunk.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"
#include "model/safetensors.h"
#include "qstore/storage/v1/manifest.pb.h"

namespace qstore::server {

// The one quantizer of this build, in the field's name for it, and the version
// of its arithmetic (codec/quantizer.h).
inline constexpr char kAbsmaxQuantizer[] = "absmax";
inline constexpr char kNoQuantizer[] = "none";
inline constexpr uint32_t kAbsmaxVersion = 1;

struct ObjectPlan {
  // Without id, content hash and chunks.
  storage::v1::Object record;
  // "file x.safetensors: tensor y", for messages.
  std::string label;
  // Size of every chunk but the last, which has what is left.
  uint64_t chunk_raw_bytes = 0;
  // For chunks in `plain`.
  codec::PlainLayout layout = codec::PlainLayout::kBytes;

  bool quantized() const {
    return record.kind() == storage::v1::OBJECT_KIND_QUANTIZED;
  }
  // Of a quantized tensor.
  uint64_t row_bytes() const;
  codec::Int8Coder coder() const {
    return static_cast<codec::Int8Coder>(record.quantization().coder());
  }
  uint64_t chunk_count() const;
};

ObjectPlan PlanOpaque(std::string label, uint64_t raw_bytes);
ObjectPlan PlanPlainTensor(std::string label, const TensorEntry& tensor);
// `tensor` is one that QuantizationPolicy selects. One scale per row.
ObjectPlan PlanQuantizedTensor(std::string label, const TensorEntry& tensor,
                               codec::Int8Coder coder);

// SHA-256 over the canonical header of docs/format.md, "Content hash", to which
// each chunk adds its own size and SHA-256, in order.
class ContentHasher {
 public:
  explicit ContentHasher(const ObjectPlan& plan);
  void AddChunk(uint64_t raw_bytes, const Sha256Digest& raw_sha256);
  Sha256Digest Finish() { return sha256_.Finish(); }

 private:
  Sha256 sha256_;
};

}  // namespace qstore::server
