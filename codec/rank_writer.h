// The growing streams that a chunk's ranks are encoded into.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk_codec.h"
#include "codec/rank_cursor.h"

namespace qstore::codec {

// Keeps its buffers from chunk to chunk, up to a bound. Not thread-safe.
class RankWriter {
 public:
  // Starts a chunk.
  void Start();

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
  std::span<const uint32_t> code_zeros() const {
    return {code_zeros_.data(), code_zero_count_};
  }

  // Bytes of the subgroups 1..23 and 32.
  uint64_t TotalBytes() const;
  // Appends those of them that are not empty, in ascending order.
  void AppendBlobs(std::vector<ResidualBlob>* blobs) const;

 private:
  struct Stream {
    ByteVector buffer;
    uint64_t used_bytes = 0;

    // Room for one block behind sink->next.
    void MakeRoom(BitSink* sink);
    void Finish(const BitSink& sink);
    ByteView bytes() const { return {buffer.data(), used_bytes}; }
  };

  void ReleaseIfLarge();
  void UpdateCounts();

  Stream ranks_[kMaxPlanes][kMaxWidth + 1];
  Stream extra_;
  std::vector<uint32_t> code_zeros_;
  std::vector<Exception> exceptions_;
  uint64_t code_zero_count_ = 0;
  uint64_t exception_count_ = 0;
  EncodeCursor cursor_;
};

}  // namespace qstore::codec
