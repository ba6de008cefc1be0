#include "server/check/chunk_check.h"

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "model/dtype.h"

namespace qstore::server {
namespace {

absl::Status CheckXxh3(ByteView bytes, uint64_t expected, const char* what) {
  const uint64_t actual = Xxh3(bytes);
  if (actual == expected) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      what, " decode to XXH3 ", absl::Hex(actual, absl::kZeroPad16), ", but ",
      absl::Hex(expected, absl::kZeroPad16), " was recorded"));
}

absl::Status CheckRawSize(const storage::v1::Chunk& chunk) {
  if (chunk.raw_bytes() <= kMaxChunkRawBytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the record says ", chunk.raw_bytes(),
      " bytes, more than a chunk may have (", kMaxChunkRawBytes, ")"));
}

}  // namespace

absl::StatusOr<codec::ChunkShape> ShapeOfChunk(
    const storage::v1::Object& object, const storage::v1::Chunk& chunk) {
  QSTORE_RETURN_IF_ERROR(CheckRawSize(chunk));
  codec::ChunkShape shape;
  switch (static_cast<Dtype>(object.dtype())) {
    case Dtype::kF32:
      shape.format = codec::FloatFormat::kF32;
      break;
    case Dtype::kF16:
      shape.format = codec::FloatFormat::kF16;
      break;
    case Dtype::kBF16:
      shape.format = codec::FloatFormat::kBF16;
      break;
    default:
      return absl::DataLossError(absl::StrCat("dtype number ", object.dtype(),
                                              " cannot be quantized"));
  }
  if (object.shape_size() != 2 || object.shape(1) == 0 ||
      object.shape(1) > codec::kMaxColumns) {
    return absl::DataLossError(
        "the shape in the record is not one of a quantized tensor");
  }
  shape.rows = chunk.rows();
  shape.columns = static_cast<uint32_t>(object.shape(1));
  const uint32_t strategy = object.quantization().strategy();
  if (strategy < static_cast<uint32_t>(codec::ScaleStrategy::kTensor) ||
      strategy > static_cast<uint32_t>(codec::ScaleStrategy::kGroup)) {
    return absl::DataLossError(
        absl::StrCat("scale strategy ", strategy, " is unknown"));
  }
  shape.strategy = static_cast<codec::ScaleStrategy>(strategy);
  shape.group_size = object.quantization().group_size();
  if ((shape.strategy == codec::ScaleStrategy::kGroup) !=
      (shape.group_size != 0)) {
    return absl::DataLossError(absl::StrCat("group size ", shape.group_size,
                                            " does not fit scale strategy ",
                                            strategy));
  }
  if (shape.weight_bytes() != chunk.raw_bytes()) {
    return absl::DataLossError(
        absl::StrCat("the record says ", chunk.raw_bytes(), " bytes for ",
                     shape.rows, " rows of ", shape.columns, " weights"));
  }
  return shape;
}

absl::Status CheckQuantizedChunk(
    const codec::ChunkShape& shape, const storage::v1::Chunk& chunk,
    ByteView int8_blob, std::span<const codec::BlobView> residual,
    CodecSet& codecs) {
  codecs.codes.resize(shape.weight_count());
  codecs.scales.resize(shape.scale_count());
  QSTORE_RETURN_IF_ERROR(Annotate(
      codecs.decoder.DecodeInt8(shape, int8_blob, codecs.codes, codecs.scales),
      "int8"));
  const ByteView codes{reinterpret_cast<const uint8_t*>(codecs.codes.data()),
                       codecs.codes.size()};
  const ByteView scales{reinterpret_cast<const uint8_t*>(codecs.scales.data()),
                        codecs.scales.size() * sizeof(float)};
  QSTORE_RETURN_IF_ERROR(CheckXxh3(codes, chunk.codes_xxh3(), "the codes"));
  QSTORE_RETURN_IF_ERROR(CheckXxh3(scales, chunk.scales_xxh3(), "the scales"));
  codecs.raw.resize(shape.weight_bytes());
  QSTORE_RETURN_IF_ERROR(Annotate(
      codecs.decoder.DecodeWeights(shape, int8_blob, residual, codecs.raw),
      "residual"));
  return CheckXxh3(codecs.raw, chunk.raw_xxh3(), "the weights");
}

absl::Status CheckPlainChunk(const storage::v1::Chunk& chunk, ByteView blob,
                             CodecSet& codecs) {
  QSTORE_RETURN_IF_ERROR(CheckRawSize(chunk));
  codecs.raw.resize(chunk.raw_bytes());
  QSTORE_RETURN_IF_ERROR(
      Annotate(codecs.plain.Decode(blob, codecs.raw), "plain"));
  return CheckXxh3(codecs.raw, chunk.raw_xxh3(), "the bytes");
}

}  // namespace qstore::server
