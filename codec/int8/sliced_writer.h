// Writes codes as the sliced coder stores them, with tables and classes that
// are chosen already.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/int8/sliced_classes.h"
#include "codec/int8/sliced_format.h"

namespace qstore::codec {

// Reuses its memory. Not thread-safe.
class SlicedWriter {
 public:
  // Every magnitude must have a leaf in the table that it meets; where there
  // are classes, all kSlicedTables tables count, else the first.
  void Append(const ChunkShape& shape, std::span<const int8_t> codes,
              const SlicedTables& tables, const SlicedClasses& classes,
              ByteVector* out);

 private:
  // All levels' streams, each with room for a bit of every code.
  ByteVector levels_;
};

}  // namespace qstore::codec
