#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "benchmarks/contestant.h"
#include "codec/int8/int8_coder.h"
#include "codec/kernels/kernels.h"

namespace qstore::codec {
namespace {

// What a stored value's key takes (docs/format.md, "Keys").
constexpr uint64_t kKeyBytes = 13;

class CodecContestant final : public Contestant {
 public:
  explicit CodecContestant(EncodeOptions options) : encoder_(options) {}

  absl::Status Encode(const PairChunk& chunk, StoredChunk* stored) override {
    stored->weights_xxh3 = Xxh3(chunk.weights);
    return chunk.given
               ? encoder_.EncodePair(chunk.shape, chunk.weights, chunk.codes,
                                     chunk.scales, &stored->encoded)
               : encoder_.Encode(chunk.shape, chunk.weights, &stored->encoded);
  }

  absl::Status DecodeInt8(const PairChunk& chunk, const StoredChunk& stored,
                          MutableByteView codes_and_scales) override {
    const MutableByteView codes =
        codes_and_scales.first(chunk.shape.weight_count());
    scales_.resize(chunk.shape.scale_count());
    QSTORE_RETURN_IF_ERROR(decoder_.DecodeInt8(
        chunk.shape, stored.encoded.int8_blob,
        {reinterpret_cast<int8_t*>(codes.data()), codes.size()}, scales_));
    std::memcpy(codes_and_scales.data() + codes.size(), scales_.data(),
                scales_.size() * sizeof(float));
    if (Xxh3(codes) != stored.encoded.codes_xxh3) {
      return absl::DataLossError("the codes are wrong");
    }
    return absl::OkStatus();
  }

  absl::Status DecodeOriginal(const PairChunk& chunk, const StoredChunk& stored,
                              MutableByteView weights) override {
    views_.clear();
    for (const EncodedBlob& blob : stored.encoded.residual) {
      views_.push_back({blob.subgroup, blob.bytes});
    }
    QSTORE_RETURN_IF_ERROR(decoder_.DecodeWeights(
        chunk.shape, stored.encoded.int8_blob, views_, weights));
    if (Xxh3(weights) != stored.weights_xxh3) {
      return absl::DataLossError("the weights are wrong");
    }
    return absl::OkStatus();
  }

 private:
  ChunkEncoder encoder_;
  ChunkDecoder decoder_;
  std::vector<float> scales_;
  std::vector<BlobView> views_;
};

ContestantEntry Entry(std::string_view coder_name, Int8Coder coder) {
  EncodeOptions options;
  options.coder = coder;
  return {absl::StrCat("qstore ", AbslView(coder_name)),
          [options] { return std::make_unique<CodecContestant>(options); }};
}

}  // namespace

uint64_t StoredChunk::Int8Bytes() const {
  return encoded.int8_blob.empty() ? int8.bytes
                                   : encoded.int8_blob.size() + kKeyBytes;
}

uint64_t StoredChunk::Bytes() const {
  uint64_t bytes = Int8Bytes() + original.bytes;
  for (const EncodedBlob& blob : encoded.residual) {
    bytes += blob.bytes.size() + kKeyBytes;
  }
  return bytes;
}

std::vector<ContestantEntry> CodecContestants() {
  std::vector<ContestantEntry> entries;
  for (const Int8CoderEntry* coder : Int8Coders()) {
    entries.push_back(Entry(coder->name, coder->coder));
  }
  return entries;
}

}  // namespace qstore::codec
