#include "codec/residual/position_planes.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {

absl::Status TakePositions(ByteView* in, size_t count, uint64_t weight_count,
                           ZstdDecoder* zstd, ByteVector* scratch,
                           std::vector<uint32_t>* positions) {
  scratch->resize(count);
  positions->assign(count, 0);
  for (uint32_t plane = 0; plane < kGapBytes; ++plane) {
    QSTORE_RETURN_IF_ERROR(zstd->DecodePlane(in, *scratch));
    for (size_t i = 0; i < count; ++i) {
      (*positions)[i] |= uint32_t{(*scratch)[i]} << 8 * plane;
    }
  }
  uint64_t next = 0;
  for (uint32_t& position : *positions) {
    next += position;  // a gap until here
    if (next >= weight_count) {
      return absl::DataLossError(absl::StrCat(
          "position ", next, " lies outside the chunk of ", weight_count));
    }
    position = static_cast<uint32_t>(next++);
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
