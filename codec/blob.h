// The blobs that a layer of a chunk is made of.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace qstore::codec {

// `subgroup` is part of the blob's key: docs/format.md lists the numbers that
// each layer has. A layer of one blob uses 0.
struct EncodedBlob {
  uint8_t subgroup = 0;
  ByteVector bytes;
};
struct BlobView {
  uint8_t subgroup = 0;
  ByteView bytes;
};

}  // namespace qstore::codec
