// The stored streams that a chunk's ranks are decoded from.
//
// Takes hostile bytes: a block that runs over the end of a stream reads zeros
// and is found out behind it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/rank_cursor.h"

namespace qstore::codec {

// Reusable; not thread-safe.
class RankReader {
 public:
  // Forgets all streams.
  void Start();

  // `blob` is the subgroup of this width (1..23). It stays referenced.
  absl::Status AddRanks(uint32_t width, ByteView blob);
  absl::Status AddExtraBits(uint32_t bit_count, ByteView blob);

  // Makes a block under a table with these widths safe. Returns the cursor that
  // the kernel moves. The caller sets next_code_zero.
  DecodeCursor* PrepareBlock(uint32_t widths);

  // Whether the block stayed inside its streams. DATA_LOSS.
  absl::Status CheckBlock(uint32_t widths) const;
  // Whether every stream was read to its end. DATA_LOSS.
  absl::Status CheckEnd() const;

 private:
  struct Stream {
    ByteView bytes;
    uint64_t end_bits = 0;      // in the stream
    uint64_t skipped_bits = 0;  // of the stream, before source->bytes
    // The last bytes of the stream and zeros, read once the position is near
    // the end.
    std::array<uint8_t, 2 * kBlockStreamBytes> tail;
    bool in_tail = false;

    void Start(ByteView stream, uint64_t bits, BitSource* source);
    void MoveToTail(BitSource* source);
    uint64_t Position(const BitSource& source) const {
      return skipped_bits + source.position_bits;
    }
  };

  Stream ranks_[kMaxPlanes][kMaxWidth + 1];
  Stream extra_;
  DecodeCursor cursor_;
};

}  // namespace qstore::codec
