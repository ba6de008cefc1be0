#include "storage/objects/object_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "codec/layers.h"
#include "storage/records/keys.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

constexpr uint64_t kSmallObjectBytes = 8u << 20;

model::Blob RecordOf(const codec::EncodedBlob& blob) {
  model::Blob record;
  record.subgroup = blob.subgroup;
  record.size_bytes = blob.bytes.size();
  const uint32_t value_count = model::ValueCount(record.size_bytes);
  record.value_xxh3.reserve(value_count);
  for (uint32_t i = 0; i < value_count; ++i) {
    record.value_xxh3.push_back(
        Xxh3(ByteView(blob.bytes)
                 .subspan(i * model::kMaxValueBytes,
                          model::ValueBytes(record.size_bytes, i))));
  }
  return record;
}

}  // namespace

absl::Status ObjectWriterImpl::AddChunk(model::Chunk chunk,
                                        std::span<const LayerToStore> layers) {
  QSTORE_RETURN_IF_ERROR(failure_);
  const auto add = [&]() -> absl::Status {
    chunk.layers.clear();
    for (const LayerToStore& layer : layers) {
      QSTORE_RETURN_IF_ERROR(AddLayer(layer, &chunk));
    }
    if (writer_ == nullptr && buffered_bytes_ > kSmallObjectBytes) {
      return MoveToOwnTable();
    }
    return absl::OkStatus();
  };
  failure_ = Annotate(add(), absl::StrCat("chunk ", chunks_.size()));
  if (failure_.ok()) failure_ = QSTORE_FAILPOINT_STATUS("object.chunk");
  chunks_.push_back(std::move(chunk));
  return failure_;
}

absl::Status ObjectWriterImpl::AddLayer(const LayerToStore& layer,
                                        model::Chunk* chunk) {
  // Its number is that of a key space.
  if (codec::FindLayer(layer.layer) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no layer ", layer.layer));
  }
  if (!chunk->layers.empty() && chunk->layers.back().layer >= layer.layer) {
    return absl::InvalidArgumentError(absl::StrCat("layer ", layer.layer,
                                                   " comes after layer ",
                                                   chunk->layers.back().layer));
  }
  model::LayerBlobs& record = chunk->layers.emplace_back();
  record.layer = layer.layer;
  record.decoded_xxh3.assign(layer.decoded_xxh3.begin(),
                             layer.decoded_xxh3.end());
  for (const codec::EncodedBlob& blob : layer.blobs) {
    if (blob.bytes.size() > model::kMaxBlobBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a blob of ", blob.bytes.size(),
                       " bytes is over the limit of ", model::kMaxBlobBytes));
    }
    if (!record.blobs.empty() &&
        record.blobs.back().subgroup >= blob.subgroup) {
      return absl::InvalidArgumentError(absl::StrCat("subgroup ", blob.subgroup,
                                                     " of layer ", layer.layer,
                                                     " does not ascend"));
    }
    record.blobs.push_back(RecordOf(blob));
    QSTORE_RETURN_IF_ERROR(AddBlob(layer.layer, blob));
  }
  return absl::OkStatus();
}

absl::Status ObjectWriterImpl::AddBlob(codec::LayerNumber layer,
                                       const codec::EncodedBlob& blob) {
  const auto chunk_index = static_cast<uint32_t>(chunks_.size());
  if (writer_ != nullptr) {
    return PutBlob(object_id_, chunk_index, layer, blob.subgroup, blob.bytes,
                   writer_.get());
  }
  buffered_bytes_ += blob.bytes.size();
  buffered_.push_back({layer, chunk_index, blob.subgroup, blob.bytes});
  return absl::OkStatus();
}

absl::Status ObjectWriterImpl::MoveToOwnTable() {
  QSTORE_FAILPOINT("object.large");
  QSTORE_ASSIGN_OR_RETURN(writer_, blobs_.NewBulkWriter());
  object_id_ = sink_.TakeLargeObjectId();
  for (const BufferedBlob& blob : std::exchange(buffered_, {})) {
    QSTORE_RETURN_IF_ERROR(PutBlob(object_id_, blob.chunk_index, blob.layer,
                                   blob.subgroup, blob.bytes, writer_.get()));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ObjectWriterImpl::Finish(model::Object object) {
  QSTORE_RETURN_IF_ERROR(failure_);
  failure_ = absl::FailedPreconditionError("the object is finished");
  QSTORE_FAILPOINT("object.finish");
  // Any id will do for checking the rest.
  object.id = writer_ == nullptr ? 1 : object_id_;
  object.chunks = std::move(chunks_);
  QSTORE_RETURN_IF_ERROR(ValidateStoredObject(object));
  return sink_.Take({.object = std::move(object),
                     .buffered = std::move(buffered_),
                     .writer = std::move(writer_)});
}

}  // namespace qstore::storage
