// Which tensors are quantized.
//
// By default those that are weights of linear layers as far as a name and a
// shape can tell: two-dimensional F32, F16 or BF16 tensors named "weight" or
// "*.weight", except embeddings, heads, norms, routers and layers that keep
// their weights transposed. What is excluded wrongly costs space; what is
// included wrongly would make the INT8 directory one that engines load wrongly.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/safetensors.h"
#include "codec/chunk_codec.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::server {

inline constexpr size_t kMaxPatterns = 1000;
inline constexpr size_t kMaxPatternBytes = 256;

// The patterns that are excluded unless the request replaces them.
std::span<const std::string_view> DefaultExcludes();

class QuantizationPolicy {
 public:
  // INVALID_ARGUMENT: unknown quantizer or coder, too many or too long
  // patterns.
  static absl::StatusOr<QuantizationPolicy> Create(
      const v1::QuantizationOptions& options);

  bool Selects(const TensorEntry& tensor) const;

  // "absmax" or "none".
  const std::string& quantizer() const { return quantizer_; }
  codec::Int8Coder coder() const { return coder_; }

 private:
  std::string quantizer_;
  codec::Int8Coder coder_ = codec::EncodeOptions{}.coder;
  std::vector<std::string> include_;  // empty: everything
  std::vector<std::string> exclude_;
};

}  // namespace qstore::server
