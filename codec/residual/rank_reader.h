// The stored streams that a chunk's ranks are decoded from.
//
// Takes hostile bytes: a block that runs over the end of a stream reads zeros
// and is found out behind it.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/kernels/kernels.h"
#include "codec/residual/rank_cursor.h"

namespace qstore::codec {

// Reusable; not thread-safe.
class RankReader {
 public:
  // Forgets all streams; the blocks to come are for these kernels.
  void Start(const Kernels& kernels);

  // `blob` is the subgroup of this width (1..23). It stays referenced.
  absl::Status AddRanks(uint32_t width, ByteView blob);
  absl::Status AddExtraBits(uint32_t bit_count, ByteView blob);

  // Makes a block under a table with these widths safe. Returns the cursor that
  // the kernel moves. The caller sets next_code_zero.
  DecodeCursor* PrepareBlock(uint32_t widths);

  // Whether the block stayed inside the extra bits; must be asked before the
  // next. DATA_LOSS.
  absl::Status CheckBlock() const;
  // Whether every stream was read to its end, and none beyond. DATA_LOSS.
  absl::Status CheckEnd() const;

 private:
  // The ranks of one width.
  struct Ranks {
    std::array<ByteView, kMaxPlanes> packed;  // not yet staged
    uint64_t blob_bytes = 0;
    uint32_t count = 0;            // as stored, above width 8
    uint64_t staged_count = 0;     // since the start, zeros included
    const uint8_t* end = nullptr;  // of what is staged, in plane 0
  };

  // Behind the extra bits, which are read where they lie, comes a copy of the
  // last of them that is followed by zeros.
  struct ExtraBits {
    ByteView bytes;
    uint64_t end_bits = 0;      // in the stream
    uint64_t skipped_bits = 0;  // of the stream, before source->bytes
    std::array<uint8_t, 2 * kBlockExtraBytes> tail;
    bool in_tail = false;

    void Start(ByteView stream, uint64_t bits, BitSource* source);
    void MoveToTail(BitSource* source);
  };

  // Fills the stages of a width.
  void Stage(uint32_t width);
  // Takes `groups` from the front of *packed, zeros behind its end.
  void Unpack(uint32_t bits, size_t groups, ByteView* packed,
              uint8_t* values) const;
  uint64_t UsedCount(uint32_t width) const {
    const Ranks& ranks = ranks_[width];
    return ranks.staged_count -
           static_cast<uint64_t>(ranks.end - cursor_.ranks[width]);
  }
  uint64_t UsedExtraBits() const {
    return extra_.skipped_bits + cursor_.extra.position_bits;
  }

  const Kernels* kernels_ = nullptr;
  RankStage stages_[kMaxWidth + 1];
  Ranks ranks_[kMaxWidth + 1];
  ExtraBits extra_;
  DecodeCursor cursor_;
};

}  // namespace qstore::codec
