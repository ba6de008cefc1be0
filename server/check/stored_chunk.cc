#include "server/check/stored_chunk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "server/check/chunk_check.h"

namespace qstore::server {

absl::StatusOr<ChunkBlobs> ReadChunkBlobs(const storage::v1::Object& object,
                                          uint32_t chunk_index,
                                          const BlobReader& read_blob) {
  const storage::v1::Chunk& chunk =
      object.chunks(static_cast<int>(chunk_index));
  ChunkBlobs blobs;
  const auto read = [&](storage::Family family, const storage::v1::Blob& blob) {
    blobs.size_bytes += blob.size_bytes();
    return read_blob(family, blob);
  };
  if (object.kind() == storage::v1::OBJECT_KIND_QUANTIZED) {
    QSTORE_ASSIGN_OR_RETURN(blobs.int8,
                            read(storage::Family::kInt8, chunk.int8()));
    for (const storage::v1::Blob& blob : chunk.residual()) {
      QSTORE_ASSIGN_OR_RETURN(storage::PinnedValue value,
                              read(storage::Family::kResidual, blob));
      blobs.residual.push_back(std::move(value));
    }
  } else {
    QSTORE_ASSIGN_OR_RETURN(blobs.plain,
                            read(storage::Family::kPlain, chunk.plain()));
  }
  return blobs;
}

absl::Status DecodeAndCheck(const storage::v1::Object& object,
                            uint32_t chunk_index, const ChunkBlobs& blobs,
                            CodecSet& codecs) {
  const storage::v1::Chunk& chunk =
      object.chunks(static_cast<int>(chunk_index));
  if (object.kind() != storage::v1::OBJECT_KIND_QUANTIZED) {
    return CheckPlainChunk(chunk, blobs.plain.bytes(), codecs);
  }
  QSTORE_ASSIGN_OR_RETURN(const codec::ChunkShape shape,
                          ShapeOfChunk(object, chunk));
  std::vector<codec::BlobView> residual;
  for (size_t i = 0; i < blobs.residual.size(); ++i) {
    const uint32_t subgroup = chunk.residual(static_cast<int>(i)).subgroup();
    residual.push_back(
        {static_cast<uint8_t>(subgroup), blobs.residual[i].bytes()});
  }
  return CheckQuantizedChunk(shape, chunk, blobs.int8.bytes(), residual,
                             codecs);
}

absl::Status CheckChunkSum(const storage::v1::Object& object) {
  uint64_t raw_bytes = 0;
  for (const storage::v1::Chunk& chunk : object.chunks()) {
    raw_bytes += chunk.raw_bytes();
  }
  if (raw_bytes == object.raw_bytes()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("its chunks have ", raw_bytes,
                                          " bytes, but it has ",
                                          object.raw_bytes()));
}

bool IsDamage(absl::StatusCode code) {
  return code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kInvalidArgument;
}

}  // namespace qstore::server
