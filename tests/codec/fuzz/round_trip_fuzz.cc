// Any weights, codes and scales: the encoder never fails, gives the same bytes
// twice and with every kernel, and decoding gives everything back.
//
// Input: u8 format | u8 strategy | u8 columns | u8 group size | u8 flags |
// bytes, cut into rows. Flags, bits 0 and 1, say where codes come from: 0 the
// encoder quantizes; 1 given, made from the same bytes, as are the scales; 2
// given, what the encoder would choose, shifted by up to one; 3 the same times
// a factor a column. Bit 2: whether the coder is sliced.
#include "codec/chunk_codec.h"
#include "codec/chunk_runs.h"
#include "codec/kernels/kernels.h"
#include "tests/fuzz_check.h"

namespace qstore::codec {
namespace {

constexpr size_t kParameterBytes = 5;

struct Input {
  Int8Coder coder = Int8Coder::kZstd;
  ChunkShape shape;
  ByteView weights;
  std::vector<int8_t> codes;  // empty: the encoder quantizes
  std::vector<float> scales;
};

absl::Status Encode(const Input& input, ChunkEncoder* encoder,
                    EncodedChunk* chunk) {
  return input.codes.empty()
             ? encoder->Encode(input.shape, input.weights, chunk)
             : encoder->EncodePair(input.shape, input.weights, input.codes,
                                   input.scales, chunk);
}

// Codes near to the nearest, or that follow from it by columns.
void GiveNearCodes(bool with_factors, ByteView noise, Input* input) {
  static ChunkEncoder encoder{EncodeOptions()};
  static ChunkDecoder decoder;
  EncodedChunk chunk;
  QSTORE_FUZZ_CHECK(encoder.Encode(input->shape, input->weights, &chunk).ok());
  input->codes.resize(input->shape.weight_count());
  input->scales.resize(input->shape.scale_count());
  QSTORE_FUZZ_CHECK(decoder
                        .DecodeInt8(input->shape, chunk.int8_blob, input->codes,
                                    input->scales)
                        .ok());
  for (size_t i = 0; i < input->codes.size(); ++i) {
    int8_t& code = input->codes[i];
    code = static_cast<int8_t>(
        with_factors
            ? code * (noise[i % input->shape.columns % noise.size()] + 1) / 256
            : code + noise[i] % 3 - 1);
  }
}

bool SameBytes(const EncodedChunk& a, const EncodedChunk& b) {
  bool same =
      a.int8_blob == b.int8_blob && a.residual.size() == b.residual.size();
  for (size_t i = 0; same && i < a.residual.size(); ++i) {
    same = a.residual[i].subgroup == b.residual[i].subgroup &&
           a.residual[i].bytes == b.residual[i].bytes;
  }
  return same;
}

void CheckRoundTrip(const Input& input) {
  static ChunkEncoder zstd_encoder{{.coder = Int8Coder::kZstd}};
  static ChunkEncoder sliced_encoder{{.coder = Int8Coder::kSliced}};
  static ChunkDecoder reused_decoder;
  EncodedChunk chunk;
  QSTORE_FUZZ_CHECK(
      Encode(input,
             input.coder == Int8Coder::kZstd ? &zstd_encoder : &sliced_encoder,
             &chunk)
          .ok());
  ForceScalarKernels(true);
  ChunkEncoder fresh_encoder{{.coder = input.coder}};
  EncodedChunk again;
  QSTORE_FUZZ_CHECK(Encode(input, &fresh_encoder, &again).ok());
  ForceScalarKernels(false);
  QSTORE_FUZZ_CHECK(SameBytes(chunk, again));

  std::vector<BlobView> residual;
  for (const EncodedBlob& blob : chunk.residual) {
    residual.push_back({blob.subgroup, blob.bytes});
  }
  ByteVector weights(input.weights.size());
  QSTORE_FUZZ_CHECK(
      reused_decoder
          .DecodeWeights(input.shape, chunk.int8_blob, residual, weights)
          .ok());
  QSTORE_FUZZ_CHECK(AsStringView(weights) == AsStringView(input.weights));
  std::vector<int8_t> codes(input.shape.weight_count());
  std::vector<float> scales(input.shape.scale_count());
  QSTORE_FUZZ_CHECK(
      reused_decoder.DecodeInt8(input.shape, chunk.int8_blob, codes, scales)
          .ok());
  QSTORE_FUZZ_CHECK(input.codes.empty() || codes == input.codes);
  QSTORE_FUZZ_CHECK(input.scales.empty() ||
                    std::memcmp(scales.data(), input.scales.data(),
                                scales.size() * sizeof(float)) == 0);
}

}  // namespace
}  // namespace qstore::codec

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size_bytes) {
  using namespace qstore;         // NOLINT(google-build-using-namespace)
  using namespace qstore::codec;  // NOLINT(google-build-using-namespace)
  if (size_bytes < kParameterBytes) {
    return 0;
  }
  Input input;
  input.shape.format = static_cast<FloatFormat>(bytes[0] % 3 + 1);
  const int codes_from = bytes[4] % 4;
  const bool given = codes_from == 1;
  if ((bytes[4] & 4) != 0) {
    input.coder = Int8Coder::kSliced;
  }
  input.shape.strategy = static_cast<ScaleStrategy>(bytes[1] % 3 + 1);
  if (input.shape.strategy == ScaleStrategy::kTensor && !given) {
    return 0;
  }
  input.shape.columns = bytes[2] + 1u;
  if (input.shape.strategy == ScaleStrategy::kGroup) {
    input.shape.group_size = bytes[3] + 1u;
  }
  const ByteView content = ByteView(bytes, size_bytes).subspan(kParameterBytes);
  input.shape.rows = static_cast<uint32_t>(
      content.size() / (input.shape.columns * FloatBytes(input.shape.format)));
  if (!CheckShape(input.shape).ok()) {
    return 0;
  }
  input.weights = content.first(input.shape.weight_bytes());
  if (given) {
    for (size_t i = 0; i < input.shape.weight_count(); ++i) {
      input.codes.push_back(
          static_cast<int8_t>(content[content.size() - 1 - i]));
    }
    for (size_t i = 0; i < input.shape.scale_count(); ++i) {
      uint32_t bits = 0;
      for (size_t j = 0; j < sizeof(bits); ++j) {
        bits = bits << 8 | content[(i * sizeof(bits) + j) % content.size()];
      }
      input.scales.push_back(std::bit_cast<float>(bits));
    }
  }
  if (codes_from >= 2) {
    GiveNearCodes(codes_from == 3, content, &input);
  }
  CheckRoundTrip(input);
  return 0;
}
