// The list of a chunk's residual blobs while it is made.
//
// The buffers of the blobs that were in the list are used again, each for its
// own subgroup: a caller who has chunk after chunk encoded into the same list
// pays for no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk_codec.h"

namespace qstore::codec {

class ResidualBuilder {
 public:
  // Empties *residual, which stays referenced until Finish.
  void Start(std::vector<EncodedBlob>* residual);

  // Appends an empty blob. The pointer is valid until the next call.
  ByteVector* Append(uint8_t subgroup);

  // A buffer for a blob that may not be wanted, and what becomes of it: the
  // list's last blob, or kept.
  ByteVector Take(uint8_t subgroup) { return std::move(spare_[subgroup]); }
  void Append(uint8_t subgroup, ByteVector blob);
  void GiveBack(uint8_t subgroup, ByteVector blob) {
    spare_[subgroup] = std::move(blob);
  }

  // Of all blobs up to now.
  uint64_t TotalBytes() const;

  // Lets go of the list, and of buffers beyond what is worth keeping.
  void Finish();

 private:
  std::vector<EncodedBlob>* residual_ = nullptr;
  std::array<ByteVector, 256> spare_;  // by subgroup
};

}  // namespace qstore::codec
