// The header parser against any bytes: it accepts only headers that keep the
// promises of model/safetensors.h, and what it accepts survives being written
// and parsed again.
//
// Input: u64 size of the data that follows the header | JSON.
#include <algorithm>
#include <cstdint>

#include "model/safetensors.h"
#include "tests/fuzz_check.h"

namespace qstore {
namespace {

void CheckPromises(const SafetensorsHeader& header, uint64_t data_bytes) {
  uint64_t total_bytes = 0;
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    const TensorEntry& tensor = header.tensors[i];
    QSTORE_FUZZ_CHECK(!tensor.name.empty());
    QSTORE_FUZZ_CHECK(tensor.shape.size() <= kMaxTensorRank);
    QSTORE_FUZZ_CHECK(tensor.begin_bytes <= tensor.end_bytes);
    QSTORE_FUZZ_CHECK(tensor.end_bytes <= data_bytes);
    uint64_t bits = DtypeBits(tensor.dtype);
    for (const uint64_t dimension : tensor.shape) bits *= dimension;
    QSTORE_FUZZ_CHECK(bits == 8 * tensor.size_bytes());
    total_bytes += tensor.size_bytes();
    if (i > 0) {
      QSTORE_FUZZ_CHECK(header.tensors[i - 1].begin_bytes <=
                        tensor.begin_bytes);
    }
  }
  QSTORE_FUZZ_CHECK(total_bytes == data_bytes);
}

void CheckRoundTrip(const SafetensorsHeader& header, uint64_t data_bytes) {
  const ByteVector written = WriteSafetensorsHeader(header);
  const absl::StatusOr<uint64_t> length =
      ParseSafetensorsLength(written, written.size());
  QSTORE_FUZZ_CHECK(length.ok());
  QSTORE_FUZZ_CHECK(*length + kSafetensorsLengthBytes == written.size());
  const absl::StatusOr<SafetensorsHeader> again = ParseSafetensorsHeader(
      ByteView(written).subspan(kSafetensorsLengthBytes), data_bytes);
  QSTORE_FUZZ_CHECK(again.ok());
  QSTORE_FUZZ_CHECK(again->metadata == header.metadata);
  QSTORE_FUZZ_CHECK(WriteSafetensorsHeader(*again) == written);
}

void CheckAll(ByteView input) {
  const absl::StatusOr<uint64_t> length =
      ParseSafetensorsLength(input, input.size());
  QSTORE_FUZZ_CHECK(!length.ok() ||
                    *length <= input.size() - kSafetensorsLengthBytes);

  if (input.size() < kSafetensorsLengthBytes) return;
  const auto data_bytes = LoadLittleEndian<uint64_t>(input.data());
  const absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(
      input.subspan(kSafetensorsLengthBytes), data_bytes);
  if (header.ok()) {
    CheckPromises(*header, data_bytes);
    CheckRoundTrip(*header, data_bytes);
  } else {
    QSTORE_FUZZ_CHECK(header.status().code() ==
                      absl::StatusCode::kInvalidArgument);
    QSTORE_FUZZ_CHECK(header.status().message().size() < 2000);
  }
}

}  // namespace
}  // namespace qstore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  qstore::CheckAll({input, size_bytes});
  return 0;
}
