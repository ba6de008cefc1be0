#include "client/download/chunk_assembler.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::client {
namespace {

uint64_t BlobBytes(const v1::ChunkManifest& chunk) {
  uint64_t sum_bytes = 0;
  for (const v1::BlobManifest& blob : chunk.blobs()) {
    sum_bytes += blob.size_bytes();
  }
  return sum_bytes;
}

}  // namespace

absl::Status ChunkAssembler::Begin(std::shared_ptr<const ObjectPlan> object,
                                   std::set<int> held) {
  QSTORE_RETURN_IF_ERROR(CheckComplete());
  object_ = std::move(object);
  held_ = std::move(held);
  chunk_index_ = 0;
  blob_index_ = 0;
  blob_offset_bytes_ = 0;
  PassHeldChunks();
  return absl::OkStatus();
}

void ChunkAssembler::PassHeldChunks() {
  while (held_.contains(chunk_index_)) ++chunk_index_;
}

absl::Status ChunkAssembler::CheckComplete() const {
  if (complete()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      object_->DescribeChunk(chunk_index_), ": the server left out blob ",
      blob_index_, " from byte ", blob_offset_bytes_,
      " on: download again, and verify the model if it happens again"));
}

absl::StatusOr<std::optional<StoredChunk>> ChunkAssembler::Add(
    const BlobPartView& part) {
  const uint64_t part_bytes = part.payload_bytes();
  QSTORE_RETURN_IF_ERROR(CheckNext(part, part_bytes));
  const v1::ChunkManifest& manifest = object_->manifest.chunks(chunk_index_);
  const v1::BlobManifest& blob = manifest.blobs(blob_index_);
  if (chunk_.bytes == nullptr) OpenChunk();
  for (const ByteView piece : part.pieces) {
    std::memcpy(chunk_.bytes.get() + chunk_offset_bytes_, piece.data(),
                piece.size());
    chunk_offset_bytes_ += piece.size();
  }
  Count(blob.kind(), part_bytes);
  blob_offset_bytes_ += part_bytes;
  if (blob_offset_bytes_ < blob.size_bytes()) {
    return std::optional<StoredChunk>();
  }
  blob_offset_bytes_ = 0;
  ++blob_index_;
  if (blob_index_ < manifest.blobs_size()) return std::optional<StoredChunk>();
  blob_index_ = 0;
  ++chunk_index_;
  PassHeldChunks();
  return std::optional<StoredChunk>(std::exchange(chunk_, {}));
}

absl::Status ChunkAssembler::CheckNext(const BlobPartView& part,
                                       uint64_t part_bytes) const {
  if (complete()) {
    return absl::InternalError(absl::StrCat("the server sent bytes of object ",
                                            part.object_index,
                                            " after all that was announced"));
  }
  const v1::ObjectManifest& manifest = object_->manifest;
  const v1::BlobManifest& blob =
      manifest.chunks(chunk_index_).blobs(blob_index_);
  if (part.object_index != manifest.object_index() ||
      part.chunk_index != static_cast<uint32_t>(chunk_index_) ||
      part.blob_index != static_cast<uint32_t>(blob_index_) ||
      part.offset_bytes != blob_offset_bytes_) {
    return absl::InternalError(absl::StrCat(
        object_->description, ": the server sent object ", part.object_index,
        " chunk ", part.chunk_index, " blob ", part.blob_index, " byte ",
        part.offset_bytes, ", but object ", manifest.object_index(), " chunk ",
        chunk_index_, " blob ", blob_index_, " byte ", blob_offset_bytes_,
        " was expected"));
  }
  if (part_bytes == 0 || part_bytes > blob.size_bytes() - blob_offset_bytes_) {
    return absl::InternalError(
        absl::StrCat(object_->DescribeChunk(chunk_index_), ": the server sent ",
                     part_bytes, " bytes of blob ", blob_index_, ", but ",
                     blob.size_bytes() - blob_offset_bytes_, " were left"));
  }
  return absl::OkStatus();
}

void ChunkAssembler::OpenChunk() {
  chunk_.object = object_;
  chunk_.chunk_index = chunk_index_;
  const uint64_t stored_bytes = BlobBytes(chunk_.manifest());
  chunk_.lease = budget_->Acquire(stored_bytes + chunk_.manifest().raw_bytes());
  chunk_.bytes = std::make_unique_for_overwrite<uint8_t[]>(stored_bytes);
  chunk_offset_bytes_ = 0;
}

void ChunkAssembler::Count(v1::BlobKind kind, uint64_t part_bytes) {
  if (object_->opaque()) {
    received_.set_other(received_.other() + part_bytes);
  } else if (kind == v1::BLOB_KIND_INT8) {
    received_.set_int8(received_.int8() + part_bytes);
  } else if (kind == v1::BLOB_KIND_RESIDUAL) {
    received_.set_residual(received_.residual() + part_bytes);
  } else {
    received_.set_plain(received_.plain() + part_bytes);
  }
}

}  // namespace qstore::client
