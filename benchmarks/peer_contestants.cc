// General-purpose compressors, on the original and on INT8 as two files: a
// chunk of each is compressed by itself, and codes are followed by their
// scales.
#include <lz4.h>
#include <zstd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "benchmarks/contestant.h"

namespace qstore::codec {
namespace {

class ZstdCompressor {
 public:
  explicit ZstdCompressor(int level)
      : level_(level),
        compressor_(ZSTD_createCCtx()),
        decompressor_(ZSTD_createDCtx()) {}
  ~ZstdCompressor() {
    ZSTD_freeCCtx(compressor_);
    ZSTD_freeDCtx(decompressor_);
  }
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  static size_t Bound(size_t bytes) { return ZSTD_compressBound(bytes); }
  // 0 on failure.
  size_t Compress(ByteView raw, MutableByteView out) {
    const size_t size = ZSTD_compressCCtx(compressor_, out.data(), out.size(),
                                          raw.data(), raw.size(), level_);
    return ZSTD_isError(size) != 0 ? 0 : size;
  }
  bool Decompress(ByteView stored, MutableByteView raw) {
    return ZSTD_decompressDCtx(decompressor_, raw.data(), raw.size(),
                               stored.data(), stored.size()) == raw.size();
  }

 private:
  const int level_;
  ZSTD_CCtx* const compressor_;
  ZSTD_DCtx* const decompressor_;
};

class Lz4Compressor {
 public:
  static size_t Bound(size_t bytes) {
    return static_cast<size_t>(LZ4_compressBound(static_cast<int>(bytes)));
  }
  static size_t Compress(ByteView raw, MutableByteView out) {
    return static_cast<size_t>(LZ4_compress_default(
        reinterpret_cast<const char*>(raw.data()),
        reinterpret_cast<char*>(out.data()), static_cast<int>(raw.size()),
        static_cast<int>(out.size())));
  }
  static bool Decompress(ByteView stored, MutableByteView raw) {
    return LZ4_decompress_safe(reinterpret_cast<const char*>(stored.data()),
                               reinterpret_cast<char*>(raw.data()),
                               static_cast<int>(stored.size()),
                               static_cast<int>(raw.size())) ==
           static_cast<int>(raw.size());
  }
};

class Memcpy {
 public:
  static size_t Bound(size_t bytes) { return bytes; }
  static size_t Compress(ByteView raw, MutableByteView out) {
    std::memcpy(out.data(), raw.data(), raw.size());
    return raw.size();
  }
  static bool Decompress(ByteView stored, MutableByteView raw) {
    std::memcpy(raw.data(), stored.data(), raw.size());
    return true;
  }
};

template <typename Compressor>
class PeerContestant final : public Contestant {
 public:
  template <typename... Arguments>
  explicit PeerContestant(Arguments... arguments) : compressor_(arguments...) {}

  absl::Status Encode(const PairChunk& chunk, StoredChunk* stored) override {
    return Compress(chunk.int8_file, &stored->int8) &&
                   Compress(chunk.weights, &stored->original)
               ? absl::OkStatus()
               : absl::InternalError("a compressor fails");
  }

  absl::Status DecodeInt8(const PairChunk& /*chunk*/, const StoredChunk& stored,
                          MutableByteView codes_and_scales) override {
    return compressor_.Decompress(stored.int8.view(), codes_and_scales)
               ? absl::OkStatus()
               : absl::DataLossError("a compressor cannot decompress codes");
  }

  absl::Status DecodeOriginal(const PairChunk& /*chunk*/,
                              const StoredChunk& stored,
                              MutableByteView weights) override {
    return compressor_.Decompress(stored.original.view(), weights)
               ? absl::OkStatus()
               : absl::DataLossError("a compressor cannot decompress weights");
  }

 private:
  bool Compress(ByteView raw, StoredFile* out) {
    out->buffer.resize(Compressor::Bound(raw.size()));
    out->bytes = compressor_.Compress(raw, out->buffer);
    return out->bytes != 0;
  }

  Compressor compressor_;
};

ContestantEntry ZstdEntry(int level) {
  return {absl::StrCat("zstd -", level), [level] {
            return std::make_unique<PeerContestant<ZstdCompressor>>(level);
          }};
}

}  // namespace

std::vector<ContestantEntry> PeerContestants() {
  return {
      ZstdEntry(1),
      ZstdEntry(3),
      {"lz4", [] { return std::make_unique<PeerContestant<Lz4Compressor>>(); }},
      {"memcpy", [] { return std::make_unique<PeerContestant<Memcpy>>(); }},
  };
}

}  // namespace qstore::codec
