// Which part of a revision somebody reads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "codec/layer.h"

namespace qstore::model {

// Rows [first, end) of a tensor: indices of its first dimension.
struct RowRange {
  uint64_t first = 0;
  uint64_t end = 0;

  bool operator==(const RowRange&) const = default;
};

struct TensorPattern {
  std::string pattern;  // as base/text/glob.h has it, on the tensor's name
  std::optional<RowRange> rows;  // nothing: all

  bool operator==(const TensorPattern&) const = default;
};

// Files that match one of `files` are read whole, of other files the tensors
// that match one of `tensors`; where several match, the first one's rows are
// taken. No patterns at all: everything.
struct Selection {
  std::vector<std::string> files;
  std::vector<TensorPattern> tensors;

  bool all() const { return files.empty() && tensors.empty(); }
  bool operator==(const Selection&) const = default;
};

inline constexpr size_t kMaxPatterns = 256;
inline constexpr size_t kMaxPatternBytes = 1024;

// Number and lengths of the patterns, ranges that are not empty.
// INVALID_ARGUMENT.
absl::Status ValidateSelection(const Selection& selection);

// The precision that is read: the stack of a chunk up to this layer, or all of
// it where it has no such layer.
struct Representation {
  codec::LayerNumber layer = codec::kNoLayer;  // kNoLayer: the original

  bool original() const { return layer == codec::kNoLayer; }
  bool operator==(const Representation&) const = default;
};

// Chunks that the reader has, by position in the manifest.
class HeldChunks {
 public:
  // Objects [first, end). Of ranges that overlap, one may count for less.
  void AddObjects(uint64_t first, uint64_t end);
  void AddChunk(uint64_t object_index, uint32_t chunk_index) {
    chunks_[object_index].insert(chunk_index);
  }
  bool Has(uint64_t object_index, uint32_t chunk_index) const;
  bool empty() const { return end_of_range_.empty() && chunks_.empty(); }

 private:
  std::map<uint64_t, uint64_t> end_of_range_;  // by first object
  std::map<uint64_t, std::set<uint32_t>> chunks_;
};

}  // namespace qstore::model
