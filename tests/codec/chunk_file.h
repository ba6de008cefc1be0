// One encoded chunk in one small file: what golden files and fuzz inputs are.
//
//   u8 float format | u8 strategy | u16 rows | u16 columns | u16 group size
//   then entries: u8 kind | u16 length | bytes
//
// kind: a residual subgroup's number, 254 the original weights, 255 the INT8
// blob. Little-endian.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "codec/chunk_codec.h"

namespace qstore::codec {

inline constexpr uint8_t kWeightsEntry = 254;
inline constexpr uint8_t kInt8Entry = 255;

struct ChunkFile {
  ChunkShape shape;
  ByteView int8_blob;
  std::vector<BlobView> residual;
  ByteView weights;
};

// Views into `bytes`. The shape and the blobs are taken as they are; nothing
// when the entries do not fill the file exactly.
inline std::optional<ChunkFile> ParseChunkFile(ByteView bytes) {
  constexpr size_t kShapeBytes = 8;
  constexpr size_t kEntryBytes = 3;
  if (bytes.size() < kShapeBytes) {
    return std::nullopt;
  }
  ChunkFile file;
  file.shape.format = static_cast<FloatFormat>(bytes[0]);
  file.shape.strategy = static_cast<ScaleStrategy>(bytes[1]);
  file.shape.rows = LoadLittleEndian<uint16_t>(&bytes[2]);
  file.shape.columns = LoadLittleEndian<uint16_t>(&bytes[4]);
  file.shape.group_size = LoadLittleEndian<uint16_t>(&bytes[6]);
  bytes = bytes.subspan(kShapeBytes);
  while (!bytes.empty()) {
    if (bytes.size() < kEntryBytes) {
      return std::nullopt;
    }
    const uint8_t kind = bytes[0];
    const auto length = LoadLittleEndian<uint16_t>(&bytes[1]);
    bytes = bytes.subspan(kEntryBytes);
    if (length > bytes.size()) {
      return std::nullopt;
    }
    const ByteView entry = bytes.first(length);
    bytes = bytes.subspan(length);
    if (kind == kInt8Entry) {
      file.int8_blob = entry;
    } else if (kind == kWeightsEntry) {
      file.weights = entry;
    } else {
      file.residual.push_back({kind, entry});
    }
  }
  return file;
}

inline ByteVector WriteChunkFile(const ChunkShape& shape,
                                 const EncodedChunk& chunk, ByteView weights) {
  ByteVector file(8);
  file[0] = static_cast<uint8_t>(shape.format);
  file[1] = static_cast<uint8_t>(shape.strategy);
  StoreLittleEndian(static_cast<uint16_t>(shape.rows), &file[2]);
  StoreLittleEndian(static_cast<uint16_t>(shape.columns), &file[4]);
  StoreLittleEndian(static_cast<uint16_t>(shape.group_size), &file[6]);
  const auto append = [&](uint8_t kind, ByteView bytes) {
    const size_t at = file.size();
    file.resize(at + 3);
    file[at] = kind;
    StoreLittleEndian(static_cast<uint16_t>(bytes.size()), &file[at + 1]);
    file.insert(file.end(), bytes.begin(), bytes.end());
  };
  append(kWeightsEntry, weights);
  append(kInt8Entry, chunk.int8_blob);
  for (const EncodedBlob& blob : chunk.residual) {
    append(blob.subgroup, blob.bytes);
  }
  return file;
}

}  // namespace qstore::codec
