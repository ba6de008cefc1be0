#include "client/export/code_layout.h"

#include <algorithm>

namespace qstore::client {
namespace {

// Copies rows of `columns` bytes, `from_stride` apart, to `to_stride` apart.
ByteVector CopyRows(ByteView from, uint64_t columns, uint64_t from_stride,
                    uint64_t to_stride, uint8_t flipped_bits) {
  const uint64_t rows = from_stride == 0 ? 0 : from.size() / from_stride;
  ByteVector to(rows * to_stride);
  for (uint64_t row = 0; row < rows; ++row) {
    const auto begin = from.begin() + static_cast<int64_t>(row * from_stride);
    std::transform(begin, begin + static_cast<int64_t>(columns),
                   to.begin() + static_cast<int64_t>(row * to_stride),
                   [flipped_bits](uint8_t code) {
                     return static_cast<uint8_t>(code ^ flipped_bits);
                   });
  }
  return to;
}

}  // namespace

ByteVector CodeLayout::Pack(ByteView codes) const {
  return CopyRows(codes, columns, columns, row_bytes, flipped_bits);
}

ByteVector CodeLayout::Unpack(ByteView packed) const {
  return CopyRows(packed, columns, row_bytes, columns, flipped_bits);
}

}  // namespace qstore::client
