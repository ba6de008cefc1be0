// What whoever uploads may choose about the encoding.
#pragma once

#include <cstdint>

namespace qstore::codec {

// Entropy coder of the codes. DO NOT CHANGE THESE VALUES.
enum class Int8Coder : uint8_t { kZstd = 1, kSliced = 2 };

struct Quantizer;  // codec/quantizer.h

struct EncodeOptions {
  // Chunks that kZstd makes smaller are left to it. codec/int8/int8_coder.h.
  Int8Coder coder = Int8Coder::kZstd;
  // What weights without codes are quantized with; null: the default.
  const Quantizer* quantizer = nullptr;
};

}  // namespace qstore::codec
