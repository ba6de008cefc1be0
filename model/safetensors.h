// The safetensors header: parse, check, write. Source:
// https://github.com/huggingface/safetensors (format section of its README).
//
//   u64 little-endian header length N | N bytes of JSON | tensor data
//
// The parser takes hostile bytes: it never allocates more than a small multiple
// of the header, and refuses what the format forbids (duplicate names, unknown
// dtypes, overlaps, holes, reversed or out-of-range offsets, shapes whose
// product overflows or does not match the offsets). Like the library it passes
// over unknown fields of a tensor. Stricter than the library (0.8): tensor
// names are not empty, since that means a header elsewhere, tensors are
// objects, and names, dimensions and their numbers are bounded. All errors are
// INVALID_ARGUMENT; they name the tensor and the numbers that disagree, and the
// caller prepends the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "model/dtype.h"

namespace qstore {

inline constexpr uint64_t kSafetensorsLengthBytes = 8;
// The format allows 100,000,000; what we accept is bounded lower by default.
inline constexpr uint64_t kDefaultMaxSafetensorsHeaderBytes = 32u << 20;
inline constexpr size_t kMaxTensorsPerFile = 1u << 18;
// What NumPy and PyTorch can have.
inline constexpr size_t kMaxTensorRank = 64;
// Of all tensors of a file together.
inline constexpr size_t kMaxDimensionsPerFile = 16 * kMaxTensorsPerFile;
inline constexpr size_t kMaxTensorNameBytes = 1u << 16;
inline constexpr size_t kMaxMetadataEntries = 1u << 16;

struct TensorEntry {
  std::string name;
  Dtype dtype;
  std::vector<uint64_t> shape;
  uint64_t begin_bytes;  // relative to the end of the header
  uint64_t end_bytes;

  uint64_t size_bytes() const { return end_bytes - begin_bytes; }
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;  // __metadata__
  std::vector<TensorEntry> tensors;  // ascending by begin_bytes, then name
};

// Reads the length field: `prefix` holds the first 8 bytes of the file,
// `file_bytes` its size. Returns the JSON's length, already checked against
// both the file and `max_header_bytes`.
absl::StatusOr<uint64_t> ParseSafetensorsLength(
    ByteView prefix, uint64_t file_bytes,
    uint64_t max_header_bytes = kDefaultMaxSafetensorsHeaderBytes);

// Parses the JSON (without the length field). `data_bytes` is what follows the
// header in the file; the tensors must cover it exactly. Tensors of no bytes
// may lie anywhere in it.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(ByteView json,
                                                         uint64_t data_bytes);

// Writes length field and JSON, space-padded to a multiple of 8 bytes. The
// tensors' order and offsets are taken as given; equal headers give equal
// bytes.
ByteVector WriteSafetensorsHeader(const SafetensorsHeader& header);

}  // namespace qstore
