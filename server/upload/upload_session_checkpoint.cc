// UploadSession across the end of a process: what it remembers, and how it goes
// on from that.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "server/limits/metadata_lease.h"
#include "server/upload/upload_checkpoint.h"
#include "server/upload/upload_session.h"

namespace qstore::server {
namespace {

// A checkpoint has all segments so far, so that those of a model of very many
// small tensors are written less often: together they stay below this part of
// what is received.
constexpr uint64_t kReceivedPerCheckpointByte = 16;

}  // namespace

absl::Status UploadSession::CheckpointWhenDue() {
  const CheckpointRule& rule = resources_.checkpoints;
  if (upload_key().empty() || rule.window.count() == 0) return absl::OkStatus();
  const uint64_t point_bytes =
      received_bytes_ -
      (state_ == State::kInFile ? file_ingest_->partial_bytes() : 0);
  const uint64_t due_bytes =
      std::max(rule.every_bytes,
               kReceivedPerCheckpointByte * pipeline_->checkpoint_bytes());
  if (point_bytes - checkpointed_bytes_ < due_bytes) return absl::OkStatus();
  auto checkpoint = std::make_unique<upload::v1::UploadCheckpoint>();
  if (state_ == State::kInFile) {
    if (!file_ingest_->Save(checkpoint.get())) return absl::OkStatus();
    checkpoint->mutable_open_file()->set_path(path_);
    checkpoint->mutable_open_file()->set_size_bytes(size_bytes_);
  }
  checkpoint->set_layout(kCheckpointLayout);
  *checkpoint->mutable_begin() = begin_;
  for (const ReceivedFile& file : files_) {
    upload::v1::ReceivedFile* saved = checkpoint->add_files();
    saved->set_path(file.path);
    saved->set_size_bytes(file.size_bytes);
    saved->set_safetensors(file.safetensors);
    SaveSegments(file.segments, saved);
  }
  checkpoint->set_received_bytes(point_bytes);
  checkpoint->set_tensor_count(tensor_count_);
  checkpoint->set_metadata_bytes(metadata_bytes_);
  checkpoint->set_xxh3(kept_hash_.Save());
  checkpointed_bytes_ = point_bytes;
  return pipeline_->SubmitCheckpoint(std::move(checkpoint));
}

bool UploadSession::Leave() {
  // Its storing thread uses the upload.
  pipeline_.reset();
  return upload_ != nullptr && upload_->LeaveCheckpoint();
}

absl::StatusOr<std::unique_ptr<UploadSession>> UploadSession::Restore(
    storage::ModelStore* store, const IngestResources& resources,
    storage::UnfinishedUpload unfinished) {
  upload::v1::UploadCheckpoint checkpoint;
  if (!checkpoint.ParseFromString(unfinished.payload) ||
      checkpoint.layout() != kCheckpointLayout) {
    return absl::FailedPreconditionError(
        "another version of this server has written it");
  }
  auto session = std::make_unique<UploadSession>(store, resources);
  QSTORE_RETURN_IF_ERROR(
      session->RestoreFrom(checkpoint, std::move(unfinished.upload)));
  return session;
}

absl::Status UploadSession::RestoreFrom(
    const upload::v1::UploadCheckpoint& checkpoint,
    std::unique_ptr<storage::Upload> upload) {
  QSTORE_RETURN_IF_ERROR(Adopt(checkpoint.begin()));
  StoreInto(std::move(upload));
  if (!kept_hash_.Restore(AsBytes(checkpoint.xxh3()))) {
    return absl::FailedPreconditionError(
        "another version of libxxhash has computed its checksum");
  }
  hash_ = kept_hash_;
  std::vector<StoredObject> objects;
  objects.reserve(checkpoint.content_hashes_size());
  for (const std::string& hash : checkpoint.content_hashes()) {
    StoredObject& object = objects.emplace_back();
    if (hash.size() != object.content_hash.size()) {
      return absl::DataLossError("a content hash is damaged");
    }
    std::copy(hash.begin(), hash.end(), object.content_hash.begin());
    QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> id,
                            upload_->FindObject(object.content_hash));
    if (!id.has_value()) {
      return absl::DataLossError("an object of it is gone or damaged");
    }
    object.object_id = *id;
  }
  pipeline_.emplace(upload_.get(), resources_, std::move(objects),
                    checkpoint.stored_bytes());
  QSTORE_RETURN_IF_ERROR(CheckQuota());
  if (resources_.metadata != nullptr) {
    QSTORE_ASSIGN_OR_RETURN(
        auto lease,
        LeaseMetadata(resources_.metadata, checkpoint.metadata_bytes()));
    metadata_leases_.push_back(std::move(lease));
  }
  metadata_bytes_ = checkpoint.metadata_bytes();
  tensor_count_ = checkpoint.tensor_count();
  received_bytes_ = checkpoint.received_bytes();
  checkpointed_bytes_ = received_bytes_;
  return RestoreFiles(checkpoint);
}

absl::Status UploadSession::RestoreFiles(
    const upload::v1::UploadCheckpoint& checkpoint) {
  for (const upload::v1::ReceivedFile& saved : checkpoint.files()) {
    QSTORE_ASSIGN_OR_RETURN(std::vector<PendingSegment> segments,
                            RestoreSegments(checkpoint, saved));
    paths_.insert(saved.path());
    announced_bytes_ += saved.size_bytes();
    files_.push_back({saved.path(), saved.size_bytes(), saved.safetensors(),
                      std::move(segments)});
  }
  state_ = State::kBetweenFiles;
  const uint64_t before_bytes = announced_bytes_;
  if (checkpoint.has_open_file()) {
    QSTORE_ASSIGN_OR_RETURN(file_ingest_,
                            RestoreFileIngest(IngestContext(), checkpoint));
    path_ = checkpoint.open_file().path();
    size_bytes_ = checkpoint.open_file().size_bytes();
    paths_.insert(path_);
    announced_bytes_ += size_bytes_;
    for (const auto& segment : checkpoint.open_file().segments()) {
      file_received_bytes_ += segment.raw_bytes();
    }
    state_ = State::kInFile;
  }
  if (before_bytes + file_received_bytes_ == received_bytes_) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("its files have ", before_bytes + file_received_bytes_,
                   " bytes, but it says ", received_bytes_));
}

}  // namespace qstore::server
