#include "server/download/download_source.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/quote.h"
#include "base/status.h"
#include "server/calls/wire_records.h"

namespace qstore::server {
namespace {

void SetChecked(const google::protobuf::MessageLite& message,
                v1::Checked* checked) {
  *checked->mutable_serialized() = message.SerializeAsString();
  checked->set_xxh3(Xxh3(AsBytes(checked->serialized())));
}

v1::BlobKind KindOf(storage::Family family) {
  switch (family) {
    case storage::Family::kInt8:
      return v1::BLOB_KIND_INT8;
    case storage::Family::kResidual:
      return v1::BLOB_KIND_RESIDUAL;
    case storage::Family::kPlain:
      return v1::BLOB_KIND_PLAIN;
  }
  return v1::BLOB_KIND_UNSPECIFIED;
}

void AddBytes(storage::Family family, bool opaque, uint64_t bytes,
              v1::BytesByKind* sum) {
  switch (family) {
    case storage::Family::kInt8:
      sum->set_int8(sum->int8() + bytes);
      return;
    case storage::Family::kResidual:
      sum->set_residual(sum->residual() + bytes);
      return;
    case storage::Family::kPlain:
      break;
  }
  if (opaque) {
    sum->set_other(sum->other() + bytes);
  } else {
    sum->set_plain(sum->plain() + bytes);
  }
}

// The part of what may be pinned for clients that are not known to read.
constexpr uint64_t kUnprovenShare = 8;

bool IsOpaque(const storage::v1::Object& object) {
  return object.kind() == storage::v1::OBJECT_KIND_OPAQUE;
}

// What sending `object` will come to; must list what ListBlobs lists.
void AddPayloadBytes(const storage::v1::Object& object, bool with_residual,
                     v1::BytesByKind* sum) {
  for (const storage::v1::Chunk& chunk : object.chunks()) {
    if (chunk.has_int8()) {
      AddBytes(storage::Family::kInt8, false, chunk.int8().size_bytes(), sum);
    }
    if (with_residual) {
      for (const storage::v1::Blob& blob : chunk.residual()) {
        AddBytes(storage::Family::kResidual, false, blob.size_bytes(), sum);
      }
    }
    if (chunk.has_plain()) {
      AddBytes(storage::Family::kPlain, IsOpaque(object),
               chunk.plain().size_bytes(), sum);
    }
  }
}

}  // namespace

DownloadSource::DownloadSource(std::unique_ptr<storage::RevisionReader> reader,
                               v1::Precision precision, HeldChunks held,
                               size_t part_bytes,
                               std::shared_ptr<PinnedBytesGauge> gauge,
                               uint64_t pin_bytes, RecentValues* recent_values)
    : reader_(std::move(reader)),
      with_residual_(precision == v1::PRECISION_ORIGINAL),
      held_(std::move(held)),
      part_bytes_(part_bytes),
      gauge_(std::move(gauge)),
      pin_bytes_(pin_bytes),
      recent_values_(*recent_values) {}

std::string DownloadSource::object_name() const {
  return absl::StrCat(reader_->revision().model(), "@",
                      reader_->revision().revision());
}

absl::StatusOr<std::optional<grpc::ByteBuffer>> DownloadSource::Next(
    bool prompt) {
  switch (state_) {
    case State::kRevision:
      return RevisionMessage();
    case State::kObject:
      if (object_index_ == objects_.size()) {
        QSTORE_FAILPOINT("download.end");
        return EndMessage();
      }
      return ObjectMessage();
    case State::kBlob:
      return BlobPartMessage(prompt);
    case State::kEnded:
      break;
  }
  return std::nullopt;
}

absl::StatusOr<grpc::ByteBuffer> DownloadSource::RevisionMessage() {
  QSTORE_FAILPOINT("download.revision");
  const storage::v1::Revision& revision = reader_->revision();
  v1::RevisionManifest manifest;
  manifest.set_model(revision.model());
  manifest.set_revision(revision.revision());
  manifest.set_original_bytes(revision.original_bytes());
  CollectObjects(&manifest);
  manifest.set_object_count(objects_.size());
  // Records are read again when their turn comes: kept, they would take memory
  // in proportion to the model.
  for (const StreamObject& object : objects_) {
    const auto record = reader_->GetObject(object.object_id);
    if (!record.ok()) return Annotate(record.status(), LabelOf(object));
    AddPayloadBytes(*record, with_residual_, manifest.mutable_stored());
  }
  state_ = State::kObject;
  v1::DownloadResponse response;
  SetChecked(manifest, response.mutable_revision());
  return SerializedMessage(response);
}

void DownloadSource::CollectObjects(v1::RevisionManifest* manifest) {
  std::unordered_map<uint64_t, size_t> index_of_id;
  for (const storage::v1::File& file : reader_->revision().files()) {
    v1::FileManifest* wire_file = manifest->add_files();
    wire_file->set_path(file.path());
    wire_file->set_size_bytes(file.size_bytes());
    wire_file->set_safetensors(file.safetensors());
    for (const storage::v1::Segment& segment : file.segments()) {
      const auto [entry, is_new] =
          index_of_id.try_emplace(segment.object_id(), objects_.size());
      if (is_new) objects_.push_back({segment.object_id(), &file, &segment});
      v1::SegmentManifest* wire_segment = wire_file->add_segments();
      wire_segment->set_object_index(entry->second);
      wire_segment->set_tensor_name(segment.tensor_name());
      wire_segment->set_raw_bytes(segment.raw_bytes());
    }
  }
}

absl::StatusOr<grpc::ByteBuffer> DownloadSource::ObjectMessage() {
  QSTORE_FAILPOINT("download.object");
  const StreamObject& entry = objects_[object_index_];
  auto record = reader_->GetObject(entry.object_id);
  if (!record.ok()) return Annotate(record.status(), LabelOf(entry));
  object_ = *std::move(record);

  v1::ObjectManifest manifest;
  manifest.set_object_index(object_index_);
  manifest.set_kind(static_cast<v1::ObjectKind>(object_.kind()));
  manifest.set_dtype(DtypeNameOf(object_));
  *manifest.mutable_shape() = object_.shape();
  manifest.set_raw_bytes(object_.raw_bytes());
  manifest.set_scale_strategy(object_.quantization().strategy());
  manifest.set_group_size(object_.quantization().group_size());
  ListBlobs(&manifest);

  v1::DownloadResponse response;
  SetChecked(manifest, response.mutable_object());
  blob_index_ = 0;
  offset_bytes_ = 0;
  state_ = State::kBlob;
  if (blobs_.empty()) BeginNextObject();
  return SerializedMessage(response);
}

void DownloadSource::ListBlobs(v1::ObjectManifest* manifest) {
  blobs_.clear();
  for (int i = 0; i < object_.chunks_size(); ++i) {
    const storage::v1::Chunk& chunk = object_.chunks(i);
    v1::ChunkManifest* wire_chunk = manifest->add_chunks();
    wire_chunk->set_raw_bytes(chunk.raw_bytes());
    wire_chunk->set_raw_xxh3(chunk.raw_xxh3());
    wire_chunk->set_rows(chunk.rows());
    wire_chunk->set_codes_xxh3(chunk.codes_xxh3());
    wire_chunk->set_scales_xxh3(chunk.scales_xxh3());
    if (chunk.has_int8()) {
      AddBlob(i, storage::Family::kInt8, chunk.int8(), wire_chunk);
    }
    if (with_residual_) {
      for (const storage::v1::Blob& blob : chunk.residual()) {
        AddBlob(i, storage::Family::kResidual, blob, wire_chunk);
      }
    }
    if (chunk.has_plain()) {
      AddBlob(i, storage::Family::kPlain, chunk.plain(), wire_chunk);
    }
  }
}

void DownloadSource::AddBlob(uint32_t chunk_index, storage::Family family,
                             const storage::v1::Blob& blob,
                             v1::ChunkManifest* manifest) {
  const auto blob_index = static_cast<uint32_t>(manifest->blobs_size());
  v1::BlobManifest* wire_blob = manifest->add_blobs();
  wire_blob->set_kind(KindOf(family));
  wire_blob->set_subgroup(blob.subgroup());
  wire_blob->set_size_bytes(blob.size_bytes());
  wire_blob->set_xxh3(blob.xxh3());
  // A blob without bytes or that the client holds is listed, but no part of it
  // is sent.
  if (blob.size_bytes() > 0 && !held_.Has(object_index_, chunk_index)) {
    blobs_.push_back({{object_index_, chunk_index, blob_index}, family, &blob});
  }
}

absl::StatusOr<grpc::ByteBuffer> DownloadSource::BlobPartMessage(bool prompt) {
  QSTORE_FAILPOINT("download.blob");
  const ListedBlob& listed = blobs_[blob_index_];
  const uint64_t blob_bytes = listed.blob->size_bytes();
  const uint64_t size_bytes =
      std::min<uint64_t>(part_bytes_, blob_bytes - offset_bytes_);
  uint64_t begin_bytes = 0;
  QSTORE_ASSIGN_OR_RETURN(auto part,
                          HoldPart(prompt, size_bytes, &begin_bytes));
  grpc::ByteBuffer message = BlobMessage(
      listed.position, std::move(part), offset_bytes_, size_bytes, begin_bytes);
  CountSent(listed.family, size_bytes);
  offset_bytes_ += size_bytes;
  if (offset_bytes_ == blob_bytes) {
    value_.reset();
    offset_bytes_ = 0;
    if (++blob_index_ == blobs_.size()) BeginNextObject();
  }
  return message;
}

absl::StatusOr<storage::PinnedValue> DownloadSource::ReadValue(
    const RecentValues::Key& key) {
  storage::PinnedValue recent = recent_values_.Find(key);
  if (recent.owner() != nullptr) return recent;
  auto value = reader_->GetBlob(key.family, key.object_id, key.chunk_index,
                                *blobs_[blob_index_].blob);
  if (value.ok()) return value;
  return Annotate(value.status(), absl::StrCat(LabelOf(objects_[object_index_]),
                                               ": chunk ", key.chunk_index));
}

absl::StatusOr<std::shared_ptr<const CountedValue>> DownloadSource::HoldPart(
    bool prompt, uint64_t size_bytes, uint64_t* begin_bytes) {
  *begin_bytes = 0;
  if (value_ != nullptr) return value_;
  const ListedBlob& listed = blobs_[blob_index_];
  const RecentValues::Key key = {.family = listed.family,
                                 .object_id = objects_[object_index_].object_id,
                                 .chunk_index = listed.position.chunk_index,
                                 .subgroup = listed.blob->subgroup()};
  QSTORE_ASSIGN_OR_RETURN(storage::PinnedValue value, ReadValue(key));
  if (size_bytes == value.bytes().size()) {
    return std::make_shared<const CountedValue>(std::move(value), gauge_);
  }
  value_ = CountedValue::TryCount(
      value, gauge_, prompt ? pin_bytes_ : pin_bytes_ / kUnprovenShare);
  if (value_ != nullptr) return value_;
  recent_values_.Add(key, value);
  const ByteView part = value.bytes().subspan(offset_bytes_, size_bytes);
  const auto copy =
      std::make_shared<const ByteVector>(part.begin(), part.end());
  *begin_bytes = offset_bytes_;
  return std::make_shared<const CountedValue>(storage::PinnedValue(*copy, copy),
                                              gauge_);
}

void DownloadSource::BeginNextObject() {
  ++object_index_;
  state_ = State::kObject;
}

grpc::ByteBuffer DownloadSource::EndMessage() {
  state_ = State::kEnded;
  v1::DownloadResponse response;
  *response.mutable_end()->mutable_sent() = sent_;
  return SerializedMessage(response);
}

void DownloadSource::CountSent(storage::Family family, uint64_t bytes) {
  sent_bytes_ += bytes;
  AddBytes(family, IsOpaque(object_), bytes, &sent_);
}

std::string DownloadSource::LabelOf(const StreamObject& object) const {
  std::string file = absl::StrCat("model ", object_name(), ": file ",
                                  Quoted(object.file->path()));
  if (object.segment->tensor_name().empty()) return file;
  return absl::StrCat(file, ": tensor ", Quoted(object.segment->tensor_name()));
}

}  // namespace qstore::server
