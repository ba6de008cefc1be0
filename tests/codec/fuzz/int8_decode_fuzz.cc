// The INT8 decoder against any bytes: it stays within its buffers, fails only
// with DATA_LOSS, and gives the same codes with every kernel.
//
// Input: u8 float format | u8 strategy | u16 rows | u16 columns | u16 group
// size | blob.
#include "codec/chunk_codec.h"
#include "codec/chunk_runs.h"
#include "codec/kernels/kernels.h"
#include "tests/fuzz_check.h"

namespace qstore::codec {
namespace {

constexpr size_t kShapeBytes = 8;
constexpr uint64_t kMaxWeights = 1 << 16;

void CheckDecode(const ChunkShape& shape, ByteView blob) {
  static ChunkDecoder decoder;
  std::vector<int8_t> codes(shape.weight_count());
  std::vector<float> scales(shape.scale_count());
  const absl::Status status = decoder.DecodeInt8(shape, blob, codes, scales);
  QSTORE_FUZZ_CHECK(status.ok() ||
                    status.code() == absl::StatusCode::kDataLoss);
  std::vector<int8_t> again(shape.weight_count());
  ForceScalarKernels(true);
  const absl::Status scalar = decoder.DecodeInt8(shape, blob, again, scales);
  ForceScalarKernels(false);
  QSTORE_FUZZ_CHECK(scalar == status);
  QSTORE_FUZZ_CHECK(!status.ok() || again == codes);
}

}  // namespace
}  // namespace qstore::codec

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  using namespace qstore::codec;  // NOLINT(google-build-using-namespace)
  if (size_bytes < kShapeBytes) {
    return 0;
  }
  ChunkShape shape;
  shape.format = static_cast<FloatFormat>(input[0]);
  shape.strategy = static_cast<ScaleStrategy>(input[1]);
  shape.rows = qstore::LoadLittleEndian<uint16_t>(input + 2);
  shape.columns = qstore::LoadLittleEndian<uint16_t>(input + 4);
  shape.group_size = qstore::LoadLittleEndian<uint16_t>(input + 6);
  if (CheckShape(shape).ok() && shape.weight_count() <= kMaxWeights) {
    CheckDecode(shape, {input + kShapeBytes, size_bytes - kShapeBytes});
  }
  return 0;
}
