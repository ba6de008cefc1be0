// Which of the sliced coder's tables each weight of a chunk uses: the sum of a
// class of its row and a class of its column, modulo kSlicedTables.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"

namespace qstore::codec {

struct SlicedClasses {
  // 0..15 for each; empty when rows, or columns, have no classes.
  std::vector<uint8_t> rows;
  std::vector<uint8_t> columns;

  void AppendTo(ByteVector* out) const;

  // Takes them from the front of *in. DATA_LOSS.
  absl::Status TakeFrom(const ChunkShape& shape, bool has_rows,
                        bool has_columns, ByteView* in);

  // The tables of `count` weights from the one at `first` on, before the
  // modulo: at most 30.
  void FillTables(const ChunkShape& shape, uint64_t first, uint64_t count,
                  uint8_t* tables) const;
};

}  // namespace qstore::codec
