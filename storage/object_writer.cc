#include "storage/object_writer.h"

#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "storage/records/keys.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

constexpr uint64_t kSmallObjectBytes = 8u << 20;

absl::Status CheckOrder(std::span<const BlobToStore> blobs) {
  for (size_t i = 1; i < blobs.size(); ++i) {
    const auto previous =
        std::make_tuple(blobs[i - 1].family, blobs[i - 1].subgroup);
    if (previous >= std::make_tuple(blobs[i].family, blobs[i].subgroup)) {
      return absl::InvalidArgumentError(
          absl::StrCat("blob ", i, " does not ascend by family and subgroup"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ObjectWriterImpl::AddChunk(v1::Chunk chunk,
                                        std::span<const BlobToStore> blobs) {
  QSTORE_RETURN_IF_ERROR(failure_);
  const auto add = [&]() -> absl::Status {
    QSTORE_RETURN_IF_ERROR(CheckOrder(blobs));
    chunk.clear_int8();
    chunk.clear_residual();
    chunk.clear_plain();
    for (const BlobToStore& blob : blobs) {
      QSTORE_RETURN_IF_ERROR(AddBlob(blob, &chunk));
    }
    if (writer_ == nullptr && buffered_bytes_ > kSmallObjectBytes) {
      return MoveToOwnTable();
    }
    return absl::OkStatus();
  };
  failure_ = Annotate(add(), absl::StrCat("chunk ", chunks_.chunks_size()));
  if (failure_.ok()) failure_ = QSTORE_FAILPOINT_STATUS("object.chunk");
  *chunks_.add_chunks() = std::move(chunk);
  return failure_;
}

absl::Status ObjectWriterImpl::AddBlob(const BlobToStore& blob,
                                       v1::Chunk* chunk) {
  if (blob.bytes.size() > kMaxBlobBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a blob of ", blob.bytes.size(),
                     " bytes is over the limit of ", kMaxBlobBytes));
  }
  v1::Blob* record = NewBlobRecord(blob.family, chunk);
  if (record == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk cannot have this blob of family ",
                     AbslView(FamilyName(blob.family))));
  }
  record->set_subgroup(blob.subgroup);
  record->set_size_bytes(blob.bytes.size());
  record->set_xxh3(Xxh3(blob.bytes));
  const auto chunk_index = static_cast<uint32_t>(chunks_.chunks_size());
  if (writer_ != nullptr) {
    const DataKey key{chunks_.object_id(), chunk_index, blob.subgroup};
    return writer_->Put(blob.family, key.Encode(), blob.bytes);
  }
  buffered_bytes_ += blob.bytes.size();
  buffered_.push_back({blob.family, chunk_index, blob.subgroup,
                       ByteVector(blob.bytes.begin(), blob.bytes.end())});
  return absl::OkStatus();
}

absl::Status ObjectWriterImpl::MoveToOwnTable() {
  QSTORE_FAILPOINT("object.large");
  QSTORE_ASSIGN_OR_RETURN(writer_, blobs_.NewBulkWriter());
  chunks_.set_object_id(sink_.TakeLargeObjectId());
  for (const BufferedBlob& blob : std::exchange(buffered_, {})) {
    const DataKey key{chunks_.object_id(), blob.chunk_index, blob.subgroup};
    QSTORE_RETURN_IF_ERROR(writer_->Put(blob.family, key.Encode(), blob.bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ObjectWriterImpl::Finish(v1::Object object) {
  QSTORE_RETURN_IF_ERROR(failure_);
  failure_ = absl::FailedPreconditionError("the object is finished");
  QSTORE_FAILPOINT("object.finish");
  // Any id will do for checking the rest.
  object.set_object_id(writer_ == nullptr ? 1 : chunks_.object_id());
  *object.mutable_chunks() = std::move(*chunks_.mutable_chunks());
  QSTORE_RETURN_IF_ERROR(ValidateObject(object));
  return sink_.Take({.object = std::move(object),
                     .buffered = std::move(buffered_),
                     .writer = std::move(writer_)});
}

}  // namespace qstore::storage
