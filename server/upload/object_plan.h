// What an object will be, decided before its first byte arrives.
#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "codec/chunk.h"
#include "codec/encode_options.h"
#include "codec/quantizer.h"
#include "model/object.h"
#include "model/safetensors.h"

namespace qstore::server {

struct ObjectPlan {
  // Without id, content hash and chunks.
  model::Object record;
  // "file x.safetensors: tensor y", for messages.
  std::string label;
  // Size of every chunk but the last, which has what is left.
  uint64_t chunk_raw_bytes = 0;
  // Of a quantized tensor.
  const codec::Quantizer* quantizer = nullptr;

  bool quantized() const { return record.quantized(); }
  // Of a quantized tensor.
  uint64_t row_bytes() const;
  codec::EncodeOptions encode_options() const;
  uint64_t chunk_count() const;
};

ObjectPlan PlanOpaque(std::string label, uint64_t raw_bytes);
ObjectPlan PlanPlainTensor(std::string label, const TensorEntry& tensor);
// `tensor` is one that QuantizationPolicy selects.
ObjectPlan PlanQuantizedTensor(std::string label, const TensorEntry& tensor,
                               const codec::Quantizer& quantizer,
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
