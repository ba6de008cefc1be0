// How INT8 codes lie in an exported file.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace qstore::client {

// Row by row, each row filled up with zero bytes.
struct CodeLayout {
  uint64_t columns = 0;    // codes a row
  uint64_t row_bytes = 0;  // at least `columns`
  // Added to each code modulo 2^7 of its sign: 0 leaves two's complement, 0x80
  // makes it code + 128 as an unsigned byte.
  uint8_t flipped_bits = 0;

  bool is_plain() const { return row_bytes == columns && flipped_bits == 0; }
  uint64_t SizeOf(uint64_t code_count) const {
    return columns == 0 ? 0 : code_count / columns * row_bytes;
  }
  // `codes`: whole rows.
  ByteVector Pack(ByteView codes) const;
  // The codes of whole packed rows.
  ByteVector Unpack(ByteView packed) const;
};

}  // namespace qstore::client
