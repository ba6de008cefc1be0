// Decoding of the C interface.
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "client/c/guard.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"

// NOLINTNEXTLINE(readability-identifier-naming): C's name.
struct qstore_decoder {
  qstore::codec::ChunkDecoder chunks;
  qstore::codec::PlainCodec plain;
};

namespace qstore::client::c {
namespace {

std::optional<codec::FloatFormat> ReadFloatFormat(qstore_dtype dtype) {
  switch (dtype) {
    case QSTORE_F32:
      return codec::FloatFormat::kF32;
    case QSTORE_F16:
      return codec::FloatFormat::kF16;
    case QSTORE_BF16:
      return codec::FloatFormat::kBF16;
    default:
      return std::nullopt;
  }
}

static_assert(QSTORE_SCALE_TENSOR ==
              static_cast<int>(codec::ScaleStrategy::kTensor));
static_assert(QSTORE_SCALE_CHANNEL ==
              static_cast<int>(codec::ScaleStrategy::kChannel));
static_assert(QSTORE_SCALE_GROUP ==
              static_cast<int>(codec::ScaleStrategy::kGroup));

// A shape whose numbers are safe to compute with.
absl::StatusOr<codec::ChunkShape> ReadShape(const qstore_chunk_shape* given) {
  if (given == nullptr) return NullArgument("shape");
  const auto format = ReadFloatFormat(given->dtype);
  if (!format.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape.dtype ", given->dtype,
                     " is none of QSTORE_F32, QSTORE_F16 and QSTORE_BF16"));
  }
  if (given->scale_strategy < QSTORE_SCALE_TENSOR ||
      given->scale_strategy > QSTORE_SCALE_GROUP) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no shape.scale_strategy ", given->scale_strategy));
  }
  const bool grouped = given->scale_strategy == QSTORE_SCALE_GROUP;
  if (grouped != (given->group_size > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape.group_size is ", given->group_size,
        grouped ? " where groups share scales" : " where no groups are"));
  }
  if (given->rows == 0 || given->columns == 0 ||
      given->columns > codec::kMaxColumns ||
      uint64_t{given->rows} * given->columns > codec::kChunkWeights) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk of ", given->rows, " rows and ", given->columns,
                     " columns: it has 1 to ", codec::kChunkWeights,
                     " weights in rows of ", codec::kMaxColumns, " at most"));
  }
  return codec::ChunkShape{
      .format = *format,
      .rows = given->rows,
      .columns = given->columns,
      .strategy = static_cast<codec::ScaleStrategy>(given->scale_strategy),
      .group_size = given->group_size};
}

absl::StatusOr<ByteView> ReadBlob(const char* name, const qstore_blob* blob) {
  if (blob == nullptr) return NullArgument(name);
  if (blob->bytes == nullptr && blob->size_bytes > 0) {
    return NullArgument("bytes of a blob");
  }
  return ByteView(static_cast<const uint8_t*>(blob->bytes), blob->size_bytes);
}

// Room of `count` elements, where `expected` are needed.
absl::Status CheckRoom(const char* name, const void* memory, uint64_t count,
                       uint64_t expected) {
  if (memory == nullptr && expected > 0) return NullArgument(name);
  if (count == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "there is room for ", count, " of ", name, ", but there are ", expected));
}

absl::Status DecodeWeights(qstore_decoder* decoder,
                           const codec::ChunkShape& shape, ByteView int8_blob,
                           const qstore_blob* residual, size_t residual_count,
                           MutableByteView weights) {
  if (residual == nullptr && residual_count > 0) {
    return NullArgument("residual");
  }
  // As many as a chunk can have.
  constexpr size_t kMaxSubgroups = 256;
  if (residual_count > kMaxSubgroups) {
    return absl::InvalidArgumentError(absl::StrCat(
        residual_count, " residual blobs, more than ", kMaxSubgroups));
  }
  std::vector<codec::BlobView> blobs;
  blobs.reserve(residual_count);
  for (size_t i = 0; i < residual_count; ++i) {
    if (residual[i].subgroup >= kMaxSubgroups) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no subgroup ", residual[i].subgroup));
    }
    QSTORE_ASSIGN_OR_RETURN(const ByteView bytes,
                            ReadBlob("residual", &residual[i]));
    blobs.push_back({static_cast<uint8_t>(residual[i].subgroup), bytes});
  }
  return decoder->chunks.DecodeWeights(shape, int8_blob, blobs, weights);
}

}  // namespace
}  // namespace qstore::client::c

// NOLINTBEGIN(readability-identifier-naming): C's names.

qstore_code qstore_decoder_new(qstore_decoder** decoder, qstore_error** error) {
  return qstore::client::c::Guard(error, [&]() -> absl::Status {
    if (decoder == nullptr) return qstore::client::c::NullArgument("decoder");
    *decoder = std::make_unique<qstore_decoder>().release();
    return absl::OkStatus();
  });
}

void qstore_decoder_free(qstore_decoder* decoder) { delete decoder; }

uint64_t qstore_chunk_weight_count(const qstore_chunk_shape* shape) {
  return qstore::client::c::GuardValue(uint64_t{0}, [&]() -> uint64_t {
    const auto read = qstore::client::c::ReadShape(shape);
    return read.ok() ? read->weight_count() : 0;
  });
}

uint64_t qstore_chunk_scale_count(const qstore_chunk_shape* shape) {
  return qstore::client::c::GuardValue(uint64_t{0}, [&]() -> uint64_t {
    const auto read = qstore::client::c::ReadShape(shape);
    return read.ok() ? read->scale_count() : 0;
  });
}

qstore_code qstore_decode_int8(qstore_decoder* decoder,
                               const qstore_chunk_shape* shape,
                               const qstore_blob* int8_blob, int8_t* codes,
                               uint64_t code_count, float* scales,
                               uint64_t scale_count, qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (decoder == nullptr) return NullArgument("decoder");
    QSTORE_ASSIGN_OR_RETURN(const qstore::codec::ChunkShape read,
                            ReadShape(shape));
    QSTORE_ASSIGN_OR_RETURN(const qstore::ByteView blob,
                            ReadBlob("int8_blob", int8_blob));
    QSTORE_RETURN_IF_ERROR(
        CheckRoom("codes", codes, code_count, read.weight_count()));
    QSTORE_RETURN_IF_ERROR(
        CheckRoom("scales", scales, scale_count, read.scale_count()));
    return decoder->chunks.DecodeInt8(read, blob, {codes, code_count},
                                      {scales, scale_count});
  });
}

qstore_code qstore_decode_weights(qstore_decoder* decoder,
                                  const qstore_chunk_shape* shape,
                                  const qstore_blob* int8_blob,
                                  const qstore_blob* residual,
                                  size_t residual_count, void* weights,
                                  uint64_t weights_bytes,
                                  qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (decoder == nullptr) return NullArgument("decoder");
    QSTORE_ASSIGN_OR_RETURN(const qstore::codec::ChunkShape read,
                            ReadShape(shape));
    QSTORE_ASSIGN_OR_RETURN(const qstore::ByteView blob,
                            ReadBlob("int8_blob", int8_blob));
    QSTORE_RETURN_IF_ERROR(CheckRoom("bytes of weights", weights, weights_bytes,
                                     read.weight_bytes()));
    return DecodeWeights(decoder, read, blob, residual, residual_count,
                         {static_cast<uint8_t*>(weights), weights_bytes});
  });
}

qstore_code qstore_decode_plain(qstore_decoder* decoder,
                                const qstore_blob* blob, void* bytes,
                                uint64_t size_bytes, qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (decoder == nullptr) return NullArgument("decoder");
    QSTORE_ASSIGN_OR_RETURN(const qstore::ByteView read,
                            ReadBlob("blob", blob));
    if (bytes == nullptr && size_bytes > 0) return NullArgument("bytes");
    if (size_bytes > qstore::codec::kPlainChunkBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(size_bytes, " bytes, but a chunk has at most ",
                       qstore::codec::kPlainChunkBytes));
    }
    return decoder->plain.Decode(read,
                                 {static_cast<uint8_t*>(bytes), size_bytes});
  });
}

// NOLINTEND(readability-identifier-naming)
