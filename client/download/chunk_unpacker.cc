#include "client/download/chunk_unpacker.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hash.h"
#include "base/status.h"

namespace qstore::client {
namespace {

absl::Status CheckXxh3(ByteView bytes, uint64_t expected,
                       const std::string& what) {
  const uint64_t found = Xxh3(bytes);
  if (found == expected) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "%s have the checksum %016x, but %016x was expected: download again, and "
      "verify the model if it happens again",
      what, found, expected));
}

// Finds the blobs of a chunk in its bytes and checks each.
absl::Status SplitBlobs(const StoredChunk& chunk,
                        std::vector<ByteView>* blobs) {
  const uint8_t* next = chunk.bytes.get();
  for (const v1::BlobManifest& blob : chunk.manifest().blobs()) {
    const ByteView bytes(next, blob.size_bytes());
    QSTORE_RETURN_IF_ERROR(
        CheckXxh3(bytes, blob.xxh3(),
                  absl::StrCat("the stored bytes of blob ", blobs->size())));
    blobs->push_back(bytes);
    next += blob.size_bytes();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ChunkUnpacker::Unpack(const StoredChunk& chunk,
                                   v1::Precision precision,
                                   UnpackedChunk* out) {
  const auto unpack = [&]() -> absl::Status {
    std::vector<ByteView> blobs;
    QSTORE_RETURN_IF_ERROR(SplitBlobs(chunk, &blobs));
    if (chunk.object->quantized() && precision == v1::PRECISION_INT8) {
      return UnpackInt8(chunk, blobs[0], out);
    }
    raw_.resize(chunk.manifest().raw_bytes());
    QSTORE_RETURN_IF_ERROR(chunk.object->quantized()
                               ? UnpackWeights(chunk, blobs)
                               : plain_codec_.Decode(blobs[0], raw_));
    out->raw = raw_;
    return CheckXxh3(raw_, chunk.manifest().raw_xxh3(), "the decoded bytes");
  };
  *out = {};
  return Annotate(unpack(), chunk.object->DescribeChunk(chunk.chunk_index));
}

absl::Status ChunkUnpacker::UnpackInt8(const StoredChunk& chunk, ByteView blob,
                                       UnpackedChunk* out) {
  const codec::ChunkShape shape = chunk.object->ShapeOf(chunk.manifest());
  codes_.resize(shape.weight_count());
  scales_.resize(shape.scale_count());
  QSTORE_RETURN_IF_ERROR(
      chunk_decoder_.DecodeInt8(shape, blob, codes_, scales_));
  out->codes = {reinterpret_cast<const uint8_t*>(codes_.data()), codes_.size()};
  out->scales = {reinterpret_cast<const uint8_t*>(scales_.data()),
                 scales_.size() * sizeof(float)};
  QSTORE_RETURN_IF_ERROR(CheckXxh3(out->codes, chunk.manifest().codes_xxh3(),
                                   "the decoded INT8 codes"));
  return CheckXxh3(out->scales, chunk.manifest().scales_xxh3(),
                   "the decoded scales");
}

absl::Status ChunkUnpacker::UnpackWeights(const StoredChunk& chunk,
                                          const std::vector<ByteView>& blobs) {
  std::vector<codec::BlobView> residual;
  residual.reserve(blobs.size() - 1);
  for (size_t i = 1; i < blobs.size(); ++i) {
    const uint32_t subgroup =
        chunk.manifest().blobs(static_cast<int>(i)).subgroup();
    residual.push_back({static_cast<uint8_t>(subgroup), blobs[i]});
  }
  return chunk_decoder_.DecodeWeights(chunk.object->ShapeOf(chunk.manifest()),
                                      blobs[0], residual, raw_);
}

}  // namespace qstore::client
