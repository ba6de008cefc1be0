#include "model/chunk_description.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::model {

codec::PlainLayout PlainLayoutFor(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return codec::PlainLayout::kFloat16;
    case Dtype::kBF16:
      return codec::PlainLayout::kBFloat16;
    case Dtype::kF32:
      return codec::PlainLayout::kFloat32;
    default:
      break;
  }
  switch (DtypeBits(dtype)) {
    case 16:
      return codec::PlainLayout::kPlanes2;
    case 32:
      return codec::PlainLayout::kPlanes4;
    case 64:
      return codec::PlainLayout::kPlanes8;
    default:
      return codec::PlainLayout::kBytes;
  }
}

codec::FloatFormat FloatFormatOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return codec::FloatFormat::kF32;
    case Dtype::kF16:
      return codec::FloatFormat::kF16;
    default:
      return codec::FloatFormat::kBF16;
  }
}

absl::StatusOr<codec::ChunkDescription> DescribeChunk(const Object& object,
                                                      const Chunk& chunk) {
  if (chunk.raw_bytes > kMaxChunkRawBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it has ", chunk.raw_bytes, " bytes, more than a chunk may have (",
        kMaxChunkRawBytes, ")"));
  }
  codec::ChunkDescription description;
  description.raw_bytes = chunk.raw_bytes;
  if (object.dtype.has_value()) {
    description.layout = PlainLayoutFor(*object.dtype);
  }
  if (!object.quantized()) return description;
  if (!object.dtype.has_value() || !IsQuantizable(*object.dtype) ||
      object.shape.size() != 2 || object.shape[1] == 0 ||
      object.shape[1] > codec::kMaxColumns) {
    return absl::InvalidArgumentError(
        "dtype and shape are not those of a quantized tensor");
  }
  codec::ChunkShape shape;
  shape.format = FloatFormatOf(*object.dtype);
  shape.rows = chunk.rows;
  shape.columns = static_cast<uint32_t>(object.shape[1]);
  shape.strategy = object.quantization->strategy;
  shape.group_size = object.quantization->group_size;
  if (shape.weight_bytes() != chunk.raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", chunk.raw_bytes, " bytes for ", shape.rows,
                     " rows of ", shape.columns, " weights"));
  }
  description.shape = shape;
  return description;
}

}  // namespace qstore::model
