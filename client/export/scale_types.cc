#include "client/export/scale_types.h"

#include <cstdint>

#include "codec/float_bits.h"

namespace qstore::client {
namespace {

template <codec::FloatFormat kFormat>
ByteVector Rounded(ByteView scales) {
  const size_t count = scales.size() / sizeof(float);
  ByteVector rounded(count * sizeof(uint16_t));
  for (size_t i = 0; i < count; ++i) {
    const auto scale =
        LoadLittleEndian<float>(scales.data() + i * sizeof(float));
    StoreLittleEndian(
        static_cast<uint16_t>(codec::NearestOrdinal<kFormat>(scale)),
        rounded.data() + i * sizeof(uint16_t));
  }
  return rounded;
}

}  // namespace

ByteVector ConvertScales(ByteView scales, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return Rounded<codec::FloatFormat::kF16>(scales);
    case Dtype::kBF16:
      return Rounded<codec::FloatFormat::kBF16>(scales);
    default:
      return ByteVector(scales.begin(), scales.end());
  }
}

}  // namespace qstore::client
