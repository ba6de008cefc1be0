// Zstandard contexts, and byte planes stored compressed or raw.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "base/bytes.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace qstore::codec {

// How hard to look for repeats. kLeast is for bytes that are skewed but hardly
// repeat, where short matches cost more than the Huffman-coded bytes that they
// replace.
enum class ZstdSearch { kOrdinary, kLeast };

// Compresses frame by frame. Contexts are made once. Not thread-safe.
class ZstdEncoder {
 public:
  explicit ZstdEncoder(ZstdSearch search = ZstdSearch::kOrdinary);
  ~ZstdEncoder();
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;

  // Appends one frame of INT8 codes.
  absl::Status AppendCodes(ByteView codes, ByteVector* out);

  // Appends a plane: u32 length L, then L bytes. L equal to the plane's size
  // means raw, smaller a zstd frame; the smaller of the two is kept.
  absl::Status AppendPlane(ByteView plane, ByteVector* out);

  // Room that is needed while a frame of `bytes` is made.
  static size_t Bound(size_t bytes);

 private:
  ZSTD_CCtx_s* codes_context_;
  ZSTD_CCtx_s* plane_context_;
};

class ZstdDecoder {
 public:
  ZstdDecoder();
  ~ZstdDecoder();
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  // `frame` must be exactly one frame that fills `out` exactly. DATA_LOSS.
  absl::Status DecodeFrame(ByteView frame, MutableByteView out);

  // Takes a plane from the front of *in. DATA_LOSS.
  absl::Status DecodePlane(ByteView* in, MutableByteView plane);

 private:
  ZSTD_DCtx_s* context_;
};

}  // namespace qstore::codec
