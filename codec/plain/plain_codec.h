// Lossless coding of what is not quantized: byte planes, each zstd-compressed
// or raw, whichever is smaller. docs/format.md, "Plain blob".
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace qstore::codec {

// How the bytes of an element are arranged before they are split into planes.
// DO NOT CHANGE THESE VALUES.
enum class PlainLayout : uint8_t {
  kBytes = 1,    // no planes: text, unknown files, one-byte dtypes
  kPlanes2 = 2,  // two-byte integers
  kPlanes4 = 3,
  kPlanes8 = 4,
  kFloat16 = 5,   // F16: sign moved to the lowest bit, then planes
  kBFloat16 = 6,  // BF16: likewise, so that one plane is the exponent
  kFloat32 = 7,
};

uint32_t PlainElementBytes(PlainLayout layout);

// Keep one per thread. Not thread-safe.
class PlainCodec {
 public:
  PlainCodec();
  ~PlainCodec();
  PlainCodec(const PlainCodec&) = delete;
  PlainCodec& operator=(const PlainCodec&) = delete;

  // `raw` must be a whole number of elements and at most kPlainChunkBytes.
  // Deterministic.
  absl::Status Encode(PlainLayout layout, ByteView raw, ByteVector* blob);
  // The same behind what *blob has.
  absl::Status Append(PlainLayout layout, ByteView raw, ByteVector* blob);

  // Takes hostile bytes; `raw` has the exact decoded size. DATA_LOSS says which
  // rule of the format is broken.
  absl::Status Decode(ByteView blob, MutableByteView raw);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace qstore::codec
