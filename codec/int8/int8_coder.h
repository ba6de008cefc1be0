// Entropy coders of the codes, and the table of those there are. A coder is one
// file and one line in int8_coder.cc; its number is part of the stored bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/encode_options.h"

namespace qstore::codec {

// Reuses its working memory from chunk to chunk. Not thread-safe.
class CodesEncoder {
 public:
  virtual ~CodesEncoder() = default;

  // Appends the codes of a chunk. Deterministic: equal codes and shape give
  // equal bytes on every machine.
  virtual absl::Status Append(const ChunkShape& shape,
                              std::span<const int8_t> codes,
                              ByteVector* out) = 0;
};

// Likewise.
class CodesDecoder {
 public:
  virtual ~CodesDecoder() = default;

  // The inverse: `stored` is everything that Append appended. Takes hostile
  // bytes. DATA_LOSS.
  virtual absl::Status Decode(const ChunkShape& shape, ByteView stored,
                              std::span<int8_t> codes) = 0;
};

struct Int8CoderEntry {
  Int8Coder coder;
  std::string_view name;  // what users call it
  std::unique_ptr<CodesEncoder> (*make_encoder)();
  std::unique_ptr<CodesDecoder> (*make_decoder)();
};

// One zstd frame (zstd_int8_coder.cc).
extern const Int8CoderEntry kZstdInt8Coder;
// A bit-sliced prefix code (sliced_int8_coder.cc).
extern const Int8CoderEntry kSlicedInt8Coder;

// All of them, ascending by number.
std::span<const Int8CoderEntry* const> Int8Coders();

// nullptr when there is none.
const Int8CoderEntry* FindInt8Coder(uint8_t number);
const Int8CoderEntry* FindInt8Coder(std::string_view name);

// What is used where nobody asks for another.
const Int8CoderEntry& DefaultInt8Coder();

// For messages: zstd, sliced.
std::string Int8CoderNames();

}  // namespace qstore::codec
