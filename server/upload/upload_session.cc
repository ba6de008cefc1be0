#include "server/upload/upload_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/failpoints/failpoint.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "server/limits/disk_reserve.h"
#include "server/upload/upload_paths.h"
#include "wire/layer_bytes.h"

namespace qstore::server {
namespace {

constexpr size_t kMaxUploadKeyBytes = 64;

// What stays the same from stream to stream.
v1::UploadBegin WithoutStream(v1::UploadBegin begin) {
  begin.clear_client_id();
  begin.clear_resume();
  return begin;
}

void AddNumber(uint64_t number, Xxh3Stream* hash) {
  uint8_t bytes[sizeof(number)];
  StoreLittleEndian(number, bytes);
  hash->Update(bytes);
}

}  // namespace

absl::Status ValidateUploadKey(const std::string& key) {
  if (key.size() > kMaxUploadKeyBytes) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "the upload key has ", key.size(), " bytes, but at most ",
            kMaxUploadKeyBytes, " are allowed")),
        kReasonInvalidName);
  }
  return Annotate(ValidateTag(key), "the upload key");
}

UploadSession::UploadSession(storage::ModelStore* store,
                             const IngestResources& resources)
    : store_(store), resources_(resources) {}

absl::Status UploadSession::Handle(const v1::UploadRequest& request) {
  switch (request.event_case()) {
    case v1::UploadRequest::kBegin:
      return Begin(request.begin());
    case v1::UploadRequest::kFile:
      return BeginFile(request.file());
    case v1::UploadRequest::kBytes:
      return AddBytes(request.bytes());
    case v1::UploadRequest::kEnd:
      return End(request.end());
    case v1::UploadRequest::EVENT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "a message of the upload is empty or of a kind that this server does "
      "not know");
}

absl::Status UploadSession::Begin(const v1::UploadBegin& begin) {
  if (state_ != State::kExpectBegin) {
    return absl::InvalidArgumentError(
        "a second begin message came; a stream uploads one model");
  }
  QSTORE_RETURN_IF_ERROR(Adopt(begin));
  client_id_ = begin.client_id();
  QSTORE_RETURN_IF_ERROR(BeginStoring());
  pipeline_.emplace(upload_.get(), resources_);
  QSTORE_FAILPOINT("upload.begin");
  state_ = State::kBetweenFiles;
  if (resources_.disk_reserve != nullptr) {
    QSTORE_RETURN_IF_ERROR(resources_.disk_reserve->Check(0));
  }
  return CheckQuota();
}

absl::Status UploadSession::Adopt(const v1::UploadBegin& begin) {
  QSTORE_RETURN_IF_ERROR(ValidateModelName(begin.model()));
  model_ = begin.model();
  tag_ = begin.tag().empty() ? std::string(kDefaultTag) : begin.tag();
  QSTORE_RETURN_IF_ERROR(ValidateTag(tag_));
  object_name_ = absl::StrCat(model_, ":", tag_);
  if (!begin.upload_key().empty()) {
    QSTORE_RETURN_IF_ERROR(ValidateUploadKey(begin.upload_key()));
  }
  begin_ = WithoutStream(begin);
  QSTORE_ASSIGN_OR_RETURN(policy_,
                          QuantizationPolicy::Create(begin.quantization()));
  return absl::OkStatus();
}

absl::Status UploadSession::BeginStoring() {
  QSTORE_ASSIGN_OR_RETURN(auto upload, store_->BeginUpload(model_));
  StoreInto(std::move(upload));
  return absl::OkStatus();
}

void UploadSession::StoreInto(std::unique_ptr<storage::Upload> upload) {
  if (resources_.quotas != nullptr) {
    quota_claim_ = Quotas::Claim(resources_.quotas, model_);
  }
  upload_ = std::move(upload);
  upload_->set_commit_check([this](const storage::StoredRevision& revision) {
    return quota_claim_.Update(revision.stored.total());
  });
}

FileIngestContext UploadSession::IngestContext() {
  return {&*pipeline_,    &*policy_,        &resources_,
          &tensor_count_, &metadata_bytes_, &metadata_leases_};
}

absl::Status UploadSession::BeginFile(const v1::FileBegin& file) {
  switch (state_) {
    case State::kExpectBegin:
      return absl::InvalidArgumentError(
          "a file came before the begin message that names the model");
    case State::kInFile:
      return absl::InvalidArgumentError(absl::StrCat(
          "file ", Quoted(file.path()), " came after ", file_received_bytes_,
          " bytes of file ", Quoted(path_), ", which has ", size_bytes_));
    case State::kEnded:
      return absl::InvalidArgumentError(absl::StrCat(
          "file ", Quoted(file.path()), " came after the end message"));
    case State::kBetweenFiles:
      break;
  }
  QSTORE_RETURN_IF_ERROR(CheckFile(file));
  QSTORE_FAILPOINT("upload.file");
  paths_.insert(file.path());
  path_ = file.path();
  size_bytes_ = file.size_bytes();
  announced_bytes_ += size_bytes_;
  file_received_bytes_ = 0;
  AddNumber(path_.size(), &hash_);
  hash_.Update(AsBytes(path_));
  AddNumber(size_bytes_, &hash_);
  file_ingest_ = NewFileIngest(IngestContext(), file);
  state_ = State::kInFile;
  return size_bytes_ == 0 ? EndFile() : absl::OkStatus();
}

absl::Status UploadSession::CheckFile(const v1::FileBegin& file) {
  const IngestLimits& limits = resources_.limits;
  QSTORE_RETURN_IF_ERROR(CheckUploadPath(paths_, file.path()));
  if (files_.size() >= limits.max_files) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "file ", Quoted(file.path()), " is number ", files_.size() + 1,
            " of the upload, but at most ", limits.max_files, " are allowed")),
        kReasonUploadTooLarge);
  }
  if (file.size_bytes() > limits.max_file_bytes) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "file ", Quoted(file.path()), " has ", file.size_bytes(),
            " bytes, but at most ", limits.max_file_bytes, " are allowed")),
        kReasonUploadTooLarge);
  }
  if (file.size_bytes() > limits.max_upload_bytes - announced_bytes_) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "file ", Quoted(file.path()), " of ", file.size_bytes(),
            " bytes brings the upload past the ", limits.max_upload_bytes,
            " bytes that are allowed")),
        kReasonUploadTooLarge);
  }
  return absl::OkStatus();
}

absl::Status UploadSession::AddBytes(const v1::FileBytes& bytes) {
  if (state_ != State::kInFile) {
    return absl::InvalidArgumentError(absl::StrCat(
        bytes.payload().size(), " bytes came that belong to no file",
        files_.empty() ? ""
                       : absl::StrCat("; file ", Quoted(files_.back().path),
                                      " has all of its ",
                                      files_.back().size_bytes, " bytes")));
  }
  const std::string& payload = bytes.payload();
  const auto position = [&] {
    return absl::StrCat("file ", Quoted(path_), " at offset ",
                        file_received_bytes_, ": ");
  };
  if (payload.size() > kMaxUploadPayloadBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(position(), "a message has ", payload.size(),
                     " payload bytes, but at most ", kMaxUploadPayloadBytes,
                     " are allowed"));
  }
  if (payload.size() > size_bytes_ - file_received_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat(position(), payload.size(), " bytes came, but only ",
                     size_bytes_ - file_received_bytes_, " of the announced ",
                     size_bytes_, " are missing"));
  }
  if (const uint64_t xxh3 = Xxh3(AsBytes(payload)); xxh3 != bytes.xxh3()) {
    return WithReason(
        absl::DataLossError(absl::StrCat(
            position(), payload.size(), " bytes have XXH3 ",
            absl::Hex(xxh3, absl::kZeroPad16), ", but ",
            absl::Hex(bytes.xxh3(), absl::kZeroPad16),
            " was sent with them; they were damaged on the way, upload again")),
        kReasonDamagedInTransit);
  }
  QSTORE_FAILPOINT("upload.bytes");
  QSTORE_RETURN_IF_ERROR(CheckQuota());
  QSTORE_RETURN_IF_ERROR(file_ingest_->Append(AsBytes(payload)));
  file_received_bytes_ += payload.size();
  received_bytes_ += payload.size();
  if (!upload_key().empty()) AddToHash(AsBytes(payload));
  if (file_received_bytes_ == size_bytes_) QSTORE_RETURN_IF_ERROR(EndFile());
  return CheckpointWhenDue();
}

// As far as the upload has come.
absl::Status UploadSession::CheckQuota() {
  // A claim for nothing meets quotas that are full already.
  return quota_claim_.Update(std::max<uint64_t>(1, pipeline_->stored_bytes()));
}

void UploadSession::AddToHash(ByteView payload) {
  // The last end of a chunk may lie within the payload.
  const uint64_t partial_bytes = file_ingest_->partial_bytes();
  if (partial_bytes < payload.size()) {
    const size_t kept_bytes = payload.size() - partial_bytes;
    hash_.Update(payload.first(kept_bytes));
    kept_hash_ = hash_;
    payload = payload.subspan(kept_bytes);
  }
  hash_.Update(payload);
}

void UploadSession::Suspend() {
  set_call_over({});
  if (state_ == State::kInFile) {
    const uint64_t partial_bytes = file_ingest_->partial_bytes();
    file_ingest_->DropPartial();
    file_received_bytes_ -= partial_bytes;
    received_bytes_ -= partial_bytes;
    if (file_received_bytes_ == 0) UndoBeginFile();
  } else {
    state_ = State::kBetweenFiles;
  }
  hash_ = kept_hash_;
}

void UploadSession::UndoBeginFile() {
  paths_.erase(path_);
  announced_bytes_ -= size_bytes_;
  file_ingest_.reset();
  state_ = State::kBetweenFiles;
}

v1::UploadPoint UploadSession::point() const {
  v1::UploadPoint point;
  point.set_file_count(files_.size());
  if (state_ == State::kInFile) {
    point.set_file_offset_bytes(file_received_bytes_);
  }
  return point;
}

absl::Status UploadSession::Resume(const v1::UploadBegin& begin) {
  if (WithoutStream(begin).SerializeAsString() != begin_.SerializeAsString()) {
    return WithReason(absl::AbortedError(absl::StrCat(
                          "the upload to go on with is of ", object_name_,
                          " or has other options: start from the first file")),
                      kReasonUploadNotResumable);
  }
  client_id_ = begin.client_id();
  const v1::UploadPoint here = point();
  const v1::UploadPoint& there = begin.resume();
  if (there.file_count() != here.file_count() ||
      there.file_offset_bytes() != here.file_offset_bytes()) {
    return WithReason(
        absl::AbortedError(absl::StrCat(
            "the client goes on after ", there.file_count(), " files and ",
            there.file_offset_bytes(),
            " bytes of the next, but the server has ", here.file_count(),
            " files and ", here.file_offset_bytes(),
            " bytes: start from the first file")),
        kReasonUploadNotResumable);
  }
  if (there.xxh3() != hash_.Digest()) {
    return WithReason(
        absl::AbortedError(absl::StrCat(
            "the ", received_bytes_,
            " bytes that were received before the connection broke are not "
            "those "
            "that the files have now; they have been dropped, start from the "
            "first file")),
        kReasonUploadNotResumable);
  }
  if (!pipeline_.has_value()) return absl::OkStatus();
  const absl::Status stored = pipeline_->status();
  if (stored.ok()) return absl::OkStatus();
  return WithReason(
      absl::AbortedError(absl::StrCat(
          "what was received before the connection broke could not be stored (",
          stored.message(), "): start from the first file")),
      kReasonUploadNotResumable);
}

absl::Status UploadSession::EndFile() {
  QSTORE_ASSIGN_OR_RETURN(std::vector<PendingSegment> segments,
                          file_ingest_->Finish());
  files_.push_back({path_, size_bytes_, file_ingest_->is_safetensors(),
                    std::move(segments)});
  file_ingest_.reset();
  kept_hash_ = hash_;
  state_ = State::kBetweenFiles;
  return absl::OkStatus();
}

absl::Status UploadSession::End(const v1::UploadEnd& end) {
  switch (state_) {
    case State::kExpectBegin:
      return absl::InvalidArgumentError(
          "the end message came before the begin message");
    case State::kInFile:
      return absl::InvalidArgumentError(absl::StrCat(
          "the end message came after ", file_received_bytes_,
          " bytes of file ", Quoted(path_), ", which has ", size_bytes_));
    case State::kEnded:
      return absl::InvalidArgumentError("a second end message came");
    case State::kBetweenFiles:
      break;
  }
  if (files_.empty()) {
    return absl::InvalidArgumentError(
        "the upload has no files; a model directory has at least one");
  }
  if (end.file_count() != files_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the end message counts ", end.file_count(),
                     " files, but ", files_.size(), " were received"));
  }
  if (end.total_bytes() != received_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("the end message counts ", end.total_bytes(),
                     " bytes, but ", received_bytes_, " were received"));
  }
  QSTORE_FAILPOINT("upload.end");
  state_ = State::kEnded;
  return absl::OkStatus();
}

absl::StatusOr<v1::UploadResponse> UploadSession::Commit() {
  if (state_ != State::kEnded) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the stream ended without an end message, or one of its messages "
        "could not be parsed, after ",
        files_.size(), " files and ", received_bytes_,
        " bytes; nothing was stored"));
  }
  QSTORE_FAILPOINT("upload.commit");
  QSTORE_ASSIGN_OR_RETURN(
      std::vector<StoredObject> objects,
      committed() ? HoldCommittedObjects() : pipeline_->Finish());
  QSTORE_ASSIGN_OR_RETURN(storage::Upload::CommitResult result,
                          upload_->Commit(DraftOf(objects), tag_));
  // One that was replaced is counted already.
  if (result.created && !result.replaced) quota_claim_.Keep();
  quota_claim_ = {};
  QSTORE_FAILPOINT("upload.answer");
  committed_objects_ = std::move(objects);
  created_ = created_ || result.created;
  if (!result.moved_from.empty()) moved_from_ = result.moved_from;
  pipeline_.reset();
  upload_.reset();
  v1::UploadResponse response;
  response.set_model(model_);
  response.set_revision(result.revision.revision);
  response.set_tag(tag_);
  response.set_created(created_);
  wire::ToWire(result.revision.stored, response.mutable_stored());
  response.set_two_copies_bytes(result.revision.two_copies_bytes);
  response.set_received_bytes(received_bytes_);
  response.set_moved_from(moved_from_);
  return response;
}

absl::StatusOr<std::vector<StoredObject>>
UploadSession::HoldCommittedObjects() {
  QSTORE_RETURN_IF_ERROR(BeginStoring());
  std::vector<StoredObject> objects = *committed_objects_;
  for (StoredObject& object : objects) {
    QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> id,
                            upload_->FindObject(object.content_hash));
    if (!id.has_value()) {
      return WithReason(absl::AbortedError("the revision was deleted after it "
                                           "had been stored: start from the "
                                           "first file"),
                        kReasonUploadNotResumable);
    }
    object.object_id = *id;
  }
  return objects;
}

storage::StoredRevision UploadSession::DraftOf(
    const std::vector<StoredObject>& objects) const {
  storage::StoredRevision draft;
  draft.model = model_;
  draft.quantizer = policy_->quantizer_name();
  for (const ReceivedFile& file : files_) {
    storage::StoredFile& stored = draft.files.emplace_back();
    stored.path = file.path;
    stored.size_bytes = file.size_bytes;
    stored.safetensors = file.safetensors;
    stored.segments.reserve(file.segments.size());
    for (const PendingSegment& pending : file.segments) {
      const StoredObject& object = objects[pending.object_position];
      stored.segments.push_back({.object_id = object.object_id,
                                 .tensor_name = pending.tensor_name,
                                 .raw_bytes = pending.raw_bytes,
                                 .content_hash = object.content_hash});
    }
  }
  return draft;
}

}  // namespace qstore::server
