// The ways to keep a pair that the benchmark compares, behind one interface.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "benchmarks/pair_chunks.h"
#include "codec/chunk_codec.h"

namespace qstore::codec {

// A compressed file, in a buffer that may be larger.
struct StoredFile {
  ByteVector buffer;
  size_t bytes = 0;

  ByteView view() const { return ByteView(buffer).first(bytes); }
};

// A chunk as a contestant stores it: this codec in `encoded`, others in files.
struct StoredChunk {
  EncodedChunk encoded;
  uint64_t weights_xxh3 = 0;  // of `encoded`
  StoredFile int8;
  StoredFile original;

  // Keys included.
  uint64_t Bytes() const;
  uint64_t Int8Bytes() const;
};

// Of one thread. Keeps its working memory.
class Contestant {
 public:
  virtual ~Contestant() = default;

  // Both files.
  virtual absl::Status Encode(const PairChunk& chunk, StoredChunk* stored) = 0;
  // `codes_and_scales` is as PairChunk::int8_file.
  virtual absl::Status DecodeInt8(const PairChunk& chunk,
                                  const StoredChunk& stored,
                                  MutableByteView codes_and_scales) = 0;
  virtual absl::Status DecodeOriginal(const PairChunk& chunk,
                                      const StoredChunk& stored,
                                      MutableByteView weights) = 0;
};

struct ContestantEntry {
  std::string name;
  std::function<std::unique_ptr<Contestant>()> make;
};

// This codec with each of its INT8 coders.
std::vector<ContestantEntry> CodecContestants();
// Others, on both files; the last is memcpy.
std::vector<ContestantEntry> PeerContestants();

}  // namespace qstore::codec
