// Quantizers: how scales and codes are chosen when the user brings only
// weights. The codec can rebuild weights from any scales and codes; a good
// quantizer makes the codes useful, and the nearest ones cheap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/kernels/kernels.h"

namespace qstore::codec {

struct Quantizer {
  std::string_view name;  // what users call it
  // Of its arithmetic; part of an object's content hash, so that tensors that
  // an earlier version quantized are not taken for equal.
  uint32_t version = 1;
  // Which weights share a scale.
  ScaleStrategy strategy = ScaleStrategy::kChannel;
  // Chooses one scale, finite and positive, and the codes of the weights that
  // share it. Deterministic.
  float (*quantize)(const Kernels& kernels, FloatFormat format,
                    const uint8_t* weights, size_t count,
                    int8_t* codes) = nullptr;
};

// scale = absmax / 127 (absmax_quantizer.cc).
extern const Quantizer kAbsmaxQuantizer;

// What an upload asks for to have everything stored losslessly.
inline constexpr std::string_view kNoQuantizer = "none";

// All of them; the first is the default.
std::span<const Quantizer* const> Quantizers();
inline const Quantizer& DefaultQuantizer() { return *Quantizers().front(); }

// `quantizer`, or the default when it is null.
inline const Quantizer& QuantizerOr(const Quantizer* quantizer) {
  return quantizer == nullptr ? DefaultQuantizer() : *quantizer;
}

// nullptr when the name is unknown.
const Quantizer* FindQuantizer(std::string_view name);

// The name of a quantizer or kNoQuantizer for what a user says: the default for
// nothing, and any other name as it is.
std::string QuantizerNameOr(std::string_view name);

// For messages: absmax.
std::string QuantizerNames();

// Quantizes a chunk. `shape` has passed CheckShape and is not of kTensor, whose
// scale no chunk knows by itself; the sizes fit it.
absl::Status QuantizeChunk(const Quantizer& quantizer, const ChunkShape& shape,
                           ByteView weights, std::span<int8_t> codes,
                           std::span<float> scales);

}  // namespace qstore::codec
