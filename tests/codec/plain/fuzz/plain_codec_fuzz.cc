// The plain codec against any bytes: decoding stays within its buffers and
// fails only with DATA_LOSS; encoding anything and decoding it gives it back.
//
// Input: u32 decoded size | blob. The blob's bytes also serve as raw bytes.
#include <cstdint>

#include "codec/plain/plain_codec.h"
#include "tests/fuzz_check.h"

namespace qstore::codec {
namespace {

constexpr uint32_t kMaxRawBytes = 1 << 20;

void CheckDecode(uint32_t raw_bytes, ByteView blob) {
  // Kept from call to call, as in use: what one blob leaves behind must not
  // show in the next.
  static PlainCodec reused_codec;
  ByteVector raw(raw_bytes);
  const absl::Status status = reused_codec.Decode(blob, raw);
  QSTORE_FUZZ_CHECK(status.ok() ||
                    status.code() == absl::StatusCode::kDataLoss);
  if (!status.ok()) return;
  PlainCodec fresh_codec;
  ByteVector again(raw_bytes);
  QSTORE_FUZZ_CHECK(fresh_codec.Decode(blob, again).ok());
  QSTORE_FUZZ_CHECK(again == raw);
}

void CheckRoundTrip(PlainLayout layout, ByteView raw) {
  static PlainCodec codec;
  raw = raw.first(raw.size() - raw.size() % PlainElementBytes(layout));
  ByteVector blob;
  QSTORE_FUZZ_CHECK(codec.Encode(layout, raw, &blob).ok());
  ByteVector decoded(raw.size());
  QSTORE_FUZZ_CHECK(codec.Decode(blob, decoded).ok());
  QSTORE_FUZZ_CHECK(AsStringView(decoded) == AsStringView(raw));
}

void CheckAll(ByteView input) {
  if (input.size() < sizeof(uint32_t)) return;
  const uint32_t raw_bytes =
      LoadLittleEndian<uint32_t>(input.data()) % (kMaxRawBytes + 1);
  const ByteView blob = input.subspan(sizeof(uint32_t));
  CheckDecode(raw_bytes, blob);
  for (const PlainLayout layout :
       {PlainLayout::kBytes, PlainLayout::kPlanes2, PlainLayout::kPlanes4,
        PlainLayout::kPlanes8, PlainLayout::kFloat16, PlainLayout::kBFloat16,
        PlainLayout::kFloat32}) {
    CheckRoundTrip(layout, blob);
  }
}

}  // namespace
}  // namespace qstore::codec

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  qstore::codec::CheckAll({input, size_bytes});
  return 0;
}
