// The INT8 blobs of the golden files *.int8, which are inputs of
// int8_decode_fuzz. Tables and classes are given, since our encoder would store
// so few codes with zstd. docs/format.md walks through the first.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/int8/int8_blob.h"
#include "codec/int8/sliced_writer.h"
#include "gtest/gtest.h"
#include "tests/codec/int8/sample_codes.h"

namespace qstore::codec {

struct Int8GoldenCase {
  std::string name;
  ChunkShape shape;
  std::vector<float> scales;
  std::vector<int8_t> codes;
  SlicedTables tables;
  SlicedClasses classes;

  // Shape and blob; nothing if there is none.
  ByteVector Bytes() const {
    // Header and scales are those of any coder.
    ByteVector blob;
    Int8Encoder encoder;
    if (!encoder.Encode(shape, Int8Coder::kZstd, codes, scales, &blob).ok()) {
      return {};
    }
    blob.resize(8 + LoadLittleEndian<uint32_t>(&blob[4]));
    blob[9] = static_cast<uint8_t>(Int8Coder::kSliced);
    SlicedWriter().Append(shape, codes, tables, classes, &blob);
    ByteVector bytes(8);
    bytes[0] = static_cast<uint8_t>(shape.format);
    bytes[1] = static_cast<uint8_t>(shape.strategy);
    StoreLittleEndian(static_cast<uint16_t>(shape.rows), &bytes[2]);
    StoreLittleEndian(static_cast<uint16_t>(shape.columns), &bytes[4]);
    StoreLittleEndian(static_cast<uint16_t>(shape.group_size), &bytes[6]);
    bytes.insert(bytes.end(), blob.begin(), blob.end());
    return bytes;
  }
};

inline std::vector<Int8GoldenCase> Int8GoldenCases() {
  Int8GoldenCase one_table = {.name = "sliced",
                              .shape = CodesShape(1, 68),
                              .scales = {1.0f / 127},
                              .codes = {},
                              .tables = {},
                              .classes = {}};
  for (int i = 0; i < 68; ++i) {
    one_table.codes.push_back(static_cast<int8_t>((i * i + 3 * i) % 20 - 10));
  }
  one_table.tables.shortest_bits = 2;
  one_table.tables.level_count = 3;
  one_table.tables.bounds[0][0] = 2;
  one_table.tables.bounds[1][0] = 4;
  one_table.tables.bounds[2][0] = 6;

  Int8GoldenCase classes = {.name = "sliced_classes",
                            .shape = CodesShape(3, 22),
                            .scales = {1.0f / 127, 0.5f / 127, 2.0f / 127},
                            .codes = {},
                            .tables = {},
                            .classes = {}};
  for (int i = 0; i < 66; ++i) {
    classes.codes.push_back(static_cast<int8_t>((i * i + 5 * i) % 8 - 4));
  }
  classes.tables.shortest_bits = 1;
  classes.tables.level_count = 2;
  for (uint32_t table = 0; table < kSlicedTables; ++table) {
    classes.tables.bounds[0][table] = table % 2;
    classes.tables.bounds[1][table] = table % 2 + table / 2 % 2;
  }
  classes.classes.rows = {0, 11, 6};
  for (int i = 0; i < 22; ++i) {
    classes.classes.columns.push_back(static_cast<uint8_t>(7 * i % 16));
  }
  return {one_table, classes};
}

}  // namespace qstore::codec
