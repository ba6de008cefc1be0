// Codes as a bit-sliced prefix code: docs/format.md, "Sliced codes".
#include "codec/int8/int8_coder.h"
#include "codec/int8/sliced_model.h"
#include "codec/int8/sliced_reader.h"
#include "codec/int8/sliced_writer.h"

namespace qstore::codec {
namespace {

class SlicedCodesEncoder final : public CodesEncoder {
 public:
  absl::Status Append(const ChunkShape& shape, std::span<const int8_t> codes,
                      ByteVector* out) override {
    model_.Choose(shape, codes);
    writer_.Append(shape, codes, model_.tables(), model_.classes(), out);
    return absl::OkStatus();
  }

 private:
  SlicedModel model_;
  SlicedWriter writer_;
};

class SlicedCodesDecoder final : public CodesDecoder {
 public:
  absl::Status Decode(const ChunkShape& shape, ByteView stored,
                      std::span<int8_t> codes) override {
    return reader_.Decode(shape, stored, codes);
  }

 private:
  SlicedReader reader_;
};

}  // namespace

constexpr Int8CoderEntry kSlicedInt8Coder = {
    .coder = Int8Coder::kSliced,
    .name = "sliced",
    .make_encoder = []() -> std::unique_ptr<CodesEncoder> {
      return std::make_unique<SlicedCodesEncoder>();
    },
    .make_decoder = []() -> std::unique_ptr<CodesDecoder> {
      return std::make_unique<SlicedCodesDecoder>();
    }};

}  // namespace qstore::codec
