#include "codec/int8/int8_coder.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {
namespace {

class ZstdCodesEncoder final : public CodesEncoder {
 public:
  absl::Status Append(const ChunkShape& /*shape*/,
                      std::span<const int8_t> codes, ByteVector* out) override {
    return zstd_.AppendFrame(
        {reinterpret_cast<const uint8_t*>(codes.data()), codes.size()}, out);
  }

 private:
  ZstdEncoder zstd_;
};

class ZstdCodesDecoder final : public CodesDecoder {
 public:
  absl::Status Decode(const ChunkShape& /*shape*/, ByteView stored,
                      std::span<int8_t> codes) override {
    return zstd_.DecodeFrame(
        stored, {reinterpret_cast<uint8_t*>(codes.data()), codes.size()});
  }

 private:
  ZstdDecoder zstd_;
};

}  // namespace

constexpr Int8CoderEntry kZstdInt8Coder = {
    .coder = Int8Coder::kZstd,
    .name = "zstd",
    .make_encoder = []() -> std::unique_ptr<CodesEncoder> {
      return std::make_unique<ZstdCodesEncoder>();
    },
    .make_decoder = []() -> std::unique_ptr<CodesDecoder> {
      return std::make_unique<ZstdCodesDecoder>();
    }};

}  // namespace qstore::codec
