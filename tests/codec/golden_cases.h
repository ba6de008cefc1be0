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
      // Codes that are not the nearest; one weight rounds to 128.
      {.name = "bf16_differences",
       .shape = {.format = FloatFormat::kBF16, .rows = 1, .columns = 12},
       .bits = {0x3DA6, 0x3DC3, 0xBDDE, 0x3DF9, 0x3D90, 0x3DB5, 0xBDD0, 0x3DF4,
                0xBDBE, 0x3FA4, 0x3B03, 0x3D9C},
       .codes = {7, 11, -11, 11, 6, 9, -9, 11, -9, 127, 0, 9},
       .scales = {0.01f}},
      // The columns were multiplied by 6 and 0.5 before.
      {.name = "bf16_column_factors",
       .shape = {.format = FloatFormat::kBF16,
                 .rows = 8,
                 .columns = 2,
                 .strategy = ScaleStrategy::kTensor},
       .bits = {0x3DE1, 0xBE6C, 0x3D55, 0xBDB8, 0x3E4D, 0xBDE1, 0x3E05, 0x3E2E,
                0x3E57, 0xBE43, 0xBE85, 0x3DA4, 0x3E76, 0x3D76, 0xBE1A, 0x3E85},
       .codes = {54, -9, 25, -4, 98, -4, 63, 7, 102, -8, -127, 3, 117, 2, -73,
                 11},
       .scales = {1.5625f / 127}},
  };
}

}  // namespace qstore::codec
