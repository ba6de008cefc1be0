// What the sliced coder stores before its streams: docs/format.md, "Sliced
// codes".
#pragma once

#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace qstore::codec {

// Codes are stored in blocks; what is left over is stored as it is.
inline constexpr uint32_t kSlicedBlock = 64;
// Where rows or columns have classes; else there is one.
inline constexpr uint32_t kSlicedTables = 16;
inline constexpr uint32_t kMaxSlicedLevels = 8;
inline constexpr uint32_t kMaxShortestBits = 6;
inline constexpr uint32_t kSlicedMagnitudes = 128;

inline constexpr uint64_t kBusyOneIn = 6;

// A bound above all nodes, where there is no level, or no table.
inline constexpr uint8_t kNoNode = 255;

// A prefix code of code magnitudes for each table. Magnitudes are nodes of a
// tree: it starts with 2^shortest_bits nodes; at level j those below
// bounds[j][table] are leaves, and each of the others becomes two.
struct SlicedTables {
  uint32_t shortest_bits = 0;
  uint32_t level_count = 0;
  // A hint to kernels: from this level on, fewer than one in kBusyOneIn codes
  // go on. At most level_count.
  uint32_t busy_levels = 0;
  // There always is one behind the last level.
  alignas(64) uint8_t bounds[kMaxSlicedLevels + 1][kSlicedTables];

  SlicedTables() { std::memset(bounds, kNoNode, sizeof(bounds)); }

  // The fixed part of a code: the start node and the sign.
  uint32_t record_bytes() const {
    return (shortest_bits + 1) * kSlicedBlock / 8;
  }
};

// Appends the header. With classes all tables count, else the first.
void AppendSlicedHeader(const SlicedTables& tables, bool has_row_classes,
                        bool has_column_classes, ByteVector* out);

// Takes a header from the front of *in. Every magnitude that its tables can
// give is below kSlicedMagnitudes. DATA_LOSS.
absl::Status TakeSlicedHeader(ByteView* in, SlicedTables* tables,
                              bool* has_row_classes, bool* has_column_classes);

}  // namespace qstore::codec
