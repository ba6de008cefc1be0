// Reads what SlicedWriter wrote.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/int8/sliced_classes.h"
#include "codec/int8/sliced_format.h"
#include "codec/kernels/sliced_kernels.h"

namespace qstore::codec {

// Reuses its memory. Not thread-safe.
class SlicedReader {
 public:
  // Takes hostile bytes. DATA_LOSS.
  absl::Status Decode(const ChunkShape& shape, ByteView stored,
                      std::span<int8_t> codes);

 private:
  // Takes the levels' streams, whose sizes are in `sizes`, from the front of
  // *in into levels_, which can be read behind its end.
  absl::Status TakeLevels(uint64_t blocks, ByteView sizes, ByteView* in);
  absl::Status DecodeBlocks(const ChunkShape& shape, ByteView records,
                            std::span<int8_t> codes);
  // Where a level's stream is, in whole bytes.
  uint64_t PositionBytes(uint32_t level) const;

  SlicedTables tables_;
  SlicedClasses classes_;
  ByteVector levels_;
  LevelSource source_;
  std::array<uint64_t, kMaxSlicedLevels> end_bytes_ = {};
};

}  // namespace qstore::codec
