// The growing streams that a chunk's ranks are encoded into.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/kernels/kernels.h"
#include "codec/residual/rank_cursor.h"
#include "codec/residual/residual_builder.h"

namespace qstore::codec {

// Keeps its buffers from chunk to chunk, up to a bound. Not thread-safe.
class RankWriter {
 public:
  // Starts a chunk of at most kChunkWeights, whose blocks come from these
  // kernels.
  void Start(FloatFormat format, const Kernels& kernels);

  // Makes room for a block under a table with these widths. Returns the cursor
  // that the kernel moves; it is valid until the next call.
  EncodeCursor* PrepareBlock(uint32_t widths, uint32_t block_position);

  // Closes the streams; the accessors below are valid from here on.
  void Finish();

  // Up to the last prepared block, or to the end once finished.
  uint64_t exception_count() const { return exception_count_; }
  uint32_t extra_bit_count() const { return cursor_.extra_bit_count; }
  std::span<const Exception> exceptions() const {
    return {exceptions_.data(), exception_count_};
  }
  // Elements of the chunk's format; see EncodeCursor.
  ByteView code_zeros() const { return {code_zeros_.data(), code_zero_bytes_}; }

  // Moves those of the subgroups 1..23 and 32 that are not empty to *blobs, in
  // ascending order. Once only.
  void AppendBlobs(ResidualBuilder* blobs);

  // Gives memory back if there is much, and with it code-0 weights and
  // exceptions.
  void ReleaseIfLarge();

 private:
  struct Stream {
    ByteVector buffer;
    uint64_t used_bytes = 0;

    ByteView bytes() const { return {buffer.data(), used_bytes}; }
  };

  bool IsLarge() const;
  void UpdateCounts();
  // Packs the first values of a width's stages, whole groups of them.
  void Pack(uint32_t width, size_t groups);
  // Packs all but the last, unfinished group, which moves to the front.
  void PackWholeGroups(uint32_t width);
  void FinishRanks(uint32_t width);
  size_t StagedCount(uint32_t width) const {
    return static_cast<size_t>(cursor_.ranks[width] - stages_[width].planes[0]);
  }

  const Kernels* kernels_ = nullptr;
  uint32_t weight_bytes_ = 0;
  RankStage stages_[kMaxWidth + 1];
  Stream ranks_[kMaxPlanes][kMaxWidth + 1];
  uint32_t rank_counts_[kMaxWidth + 1] = {};  // packed
  Stream extra_;
  ByteVector code_zeros_;
  std::vector<Exception> exceptions_;
  uint64_t code_zero_bytes_ = 0;
  uint64_t exception_count_ = 0;
  EncodeCursor cursor_;
};

}  // namespace qstore::codec
