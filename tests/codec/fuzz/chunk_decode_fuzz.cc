// The chunk decoder against any bytes: it stays within its buffers, fails only
// with DATA_LOSS, gives the same weights with every kernel, and what it leaves
// behind does not show in the next chunk.
//
// Input: a chunk file (tests/codec/chunk_file.h).
#include "codec/chunk_runs.h"
#include "codec/kernels/kernels.h"
#include "tests/codec/chunk_file.h"
#include "tests/fuzz_check.h"

namespace qstore::codec {
namespace {

constexpr uint64_t kMaxWeights = 1 << 16;

void CheckDecode(const ChunkFile& file) {
  static ChunkDecoder reused_decoder;
  ByteVector weights(file.shape.weight_bytes());
  const absl::Status status = reused_decoder.DecodeWeights(
      file.shape, file.int8_blob, file.residual, weights);
  QSTORE_FUZZ_CHECK(status.ok() ||
                    status.code() == absl::StatusCode::kDataLoss);
  ForceScalarKernels(true);
  ChunkDecoder fresh_decoder;
  ByteVector again(weights.size());
  const absl::Status again_status = fresh_decoder.DecodeWeights(
      file.shape, file.int8_blob, file.residual, again);
  ForceScalarKernels(false);
  QSTORE_FUZZ_CHECK(again_status == status);
  QSTORE_FUZZ_CHECK(!status.ok() || again == weights);
}

}  // namespace
}  // namespace qstore::codec

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  using namespace qstore::codec;  // NOLINT(google-build-using-namespace)
  const auto file = ParseChunkFile({input, size_bytes});
  if (file && CheckShape(file->shape).ok() &&
      file->shape.weight_count() <= kMaxWeights) {
    CheckDecode(*file);
  }
  return 0;
}
