// The chunks of the golden files: docs/format.md walks through bf16_channel.
#pragma once

#include <string>
#include <vector>

#include "codec/chunk_codec.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {

struct GoldenCase {
  std::string name;
  ChunkShape shape;
  std::vector<uint32_t> bits;  // the weights
  // Empty: the encoder quantizes.
  std::vector<int8_t> codes;
  std::vector<float> scales;

  ByteVector Weights() const {
    ByteVector weights(shape.weight_bytes());
    for (size_t i = 0; i < bits.size(); ++i) {
      SetWeight(shape.format, bits[i], i, &weights);
    }
    return weights;
  }

  absl::Status Encode(EncodedChunk* chunk) const {
    ChunkEncoder encoder{EncodeOptions()};
    return codes.empty()
               ? encoder.Encode(shape, Weights(), chunk)
               : encoder.EncodePair(shape, Weights(), codes, scales, chunk);
  }
};

inline std::vector<GoldenCase> GoldenCases() {
  return {
      {.name = "bf16_channel",
       .shape = {.format = FloatFormat::kBF16, .rows = 2, .columns = 4},
       .bits = {0x3F81, 0xBF03, 0x3B81, 0x3E85, 0x8000, 0x3CAD, 0x3E01, 0xBDFF},
       .codes = {},
       .scales = {}},
      // Two groups a row, the second shorter; a NaN with a payload.
      {.name = "f16_group",
       .shape = {.format = FloatFormat::kF16,
                 .rows = 2,
                 .columns = 3,
                 .strategy = ScaleStrategy::kGroup,
                 .group_size = 2},
       .bits = {0x3C01, 0x2E67, 0x8001, 0xB801, 0x7E2A, 0x3555},
       .codes = {},
       .scales = {}},
      // A code that is not the nearest and an infinity: exceptions.
      {.name = "bf16_tensor_exceptions",
       .shape = {.format = FloatFormat::kBF16,
                 .rows = 2,
                 .columns = 10,
                 .strategy = ScaleStrategy::kTensor},
       .bits = {0x3D9D, 0xBDDE, 0xBDBB, 0x3DDC, 0x3DD9, 0x3DA7, 0x3D99,
                0x3DE0, 0xBDA0, 0xBDDC, 0xBDB2, 0xBDC2, 0xBDA6, 0xBD9D,
                0xBDB8, 0xBDDC, 0x7F80, 0xBDDB, 0xBDD0, 0x3DB5},
       .codes = {8,  -11, -9, 11, 11, 8,   8,   12,  -8,  -11,
                 -9, -10, -8, -8, -9, -11, 127, -11, -10, 9},
       .scales = {1.25f / 127}},
      // Ranks of three byte planes, under a given scale.
      {.name = "f32_channel",
       .shape = {.format = FloatFormat::kF32, .rows = 1, .columns = 6},
       .bits = {0x3DCCCCCD, 0xBDCD1234, 0x3DCFEDCB, 0xBDC56789, 0x3DD00001,
                0x3DCB8A5C},
       .codes = {10, -10, 10, -10, 10, 10},
       .scales = {0.01f}},
      // Three mantissa bits are never used: grid 3.
      {.name = "f16_grid",
       .shape = {.format = FloatFormat::kF16, .rows = 1, .columns = 8},
       .bits = {0x3C00, 0x3808, 0xB410, 0x3018, 0x2C20, 0xA828, 0x3A38, 0xB940},
       .codes = {},
       .scales = {}},
      // Codes that say nothing: the plain fallback.
      {.name = "bf16_plain",
       .shape = {.format = FloatFormat::kBF16, .rows = 2, .columns = 2},
       .bits = {0x3F80, 0xBF00, 0x3B80, 0xC2F7},
       .codes = {-5, 77, -128, 3},
       .scales = {0.5f, -1.0f}},
  };
}

}  // namespace qstore::codec
