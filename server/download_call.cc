#include "server/download_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/wire_records.h"

namespace qstore::server {
namespace {

absl::Status ParseRequest(const grpc::ByteBuffer& bytes,
                          v1::DownloadRequest* request) {
  grpc::ByteBuffer copy = bytes;  // the deserializer consumes its argument
  const grpc::Status status =
      grpc::SerializationTraits<v1::DownloadRequest>::Deserialize(&copy,
                                                                  request);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError("the request is not a DownloadRequest");
}

}  // namespace

DownloadCall* DownloadCall::Start(const DownloadResources& resources,
                                  CallAdmission* admission,
                                  grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer& request) {
  auto* call = new DownloadCall(resources, context->peer());
  absl::Status admitted = call->Admit(admission, request);
  std::unique_lock lock(call->mutex_);
  call->status_ = std::move(admitted);
  call->Advance(std::move(lock));
  return call;
}

DownloadCall::DownloadCall(const DownloadResources& resources, std::string peer)
    : resources_(resources), log_("Download", std::move(peer)) {}

absl::Status DownloadCall::Admit(CallAdmission* admission,
                                 const grpc::ByteBuffer& request_bytes) {
  QSTORE_FAILPOINT("download.admit");
  v1::DownloadRequest request;
  QSTORE_RETURN_IF_ERROR(ParseRequest(request_bytes, &request));
  log_.set_object(NameOf(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(reference_, FromWire(request.reference()));
  if (request.precision() != v1::PRECISION_ORIGINAL &&
      request.precision() != v1::PRECISION_INT8) {
    return absl::InvalidArgumentError(
        absl::StrCat("precision ", static_cast<int>(request.precision()),
                     " is not known; ask for the original or int8"));
  }
  precision_ = request.precision();
  QSTORE_ASSIGN_OR_RETURN(permit_, admission->Enter(CallKind::kDownload));
  return absl::OkStatus();
}

void DownloadCall::Advance(std::unique_lock<std::mutex> lock) {
  if (finishing_) return;
  if (!status_.ok()) ready_.clear();
  const bool write = !writing_ && !ready_.empty();
  if (write) {
    writing_message_.Swap(&ready_.front());
    ready_.pop_front();
    writing_ = true;
  }
  bool more = status_.ok() && !exhausted_;
  if (more && !producing_ && MayReadAhead()) {
    // Never blocks, and never fails while the queue has room for every call.
    producing_ = resources_.read_pool->TrySubmit([this] { Produce(); });
    if (!producing_) {
      status_ = absl::ResourceExhaustedError(
          "the queue of reads is full; retry later");
      more = false;
    }
  }
  if (!more && !producing_) {
    CloseSource();
    finishing_ = !writing_ && ready_.empty();
  }
  const bool finish = finishing_;
  // gRPC is called without the lock, since its reactions take it. Until the
  // write or the end is reported, nobody else starts one.
  lock.unlock();
  if (write) {
    StartWrite(&writing_message_);
  } else if (finish) {
    Finish(log_.End(status_));
  }
}

bool DownloadCall::MayReadAhead() const {
  if (ready_.empty() && !writing_) return true;
  return ready_.size() < kReadAheadMessages &&
         resources_.gauge->bytes() < resources_.read_ahead_bytes;
}

void DownloadCall::Produce() {
  absl::StatusOr<std::optional<grpc::ByteBuffer>> message;
  absl::Status opened;
  if (source_ == nullptr) opened = OpenSource();
  if (opened.ok()) {
    message = source_->Next();
  } else {
    message = opened;
  }
  if (message.ok()) {
    const absl::Status status = QSTORE_FAILPOINT_STATUS("download.send");
    if (!status.ok()) message = status;
  }
  std::unique_lock lock(mutex_);
  producing_ = false;
  if (!message.ok()) {
    if (status_.ok()) status_ = message.status();
  } else if (message->has_value()) {
    ready_.push_back(std::move(**message));
  } else {
    exhausted_ = true;
  }
  Advance(std::move(lock));
}

absl::Status DownloadCall::OpenSource() {
  QSTORE_FAILPOINT("download.open");
  QSTORE_ASSIGN_OR_RETURN(auto reader,
                          resources_.store->OpenRevision(reference_));
  source_ = std::make_unique<DownloadSource>(
      std::move(reader), precision_, resources_.part_bytes, resources_.gauge);
  return absl::OkStatus();
}

// Unpins the value that was being sent.
void DownloadCall::CloseSource() {
  if (source_ == nullptr) return;
  log_.add_bytes(source_->sent_bytes());
  log_.set_object(source_->object_name());
  source_.reset();
}

void DownloadCall::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  writing_message_.Clear();
  if (!ok && status_.ok()) {
    status_ = absl::CancelledError("the client went away");
  }
  Advance(std::move(lock));
}

void DownloadCall::OnCancel() {
  std::unique_lock lock(mutex_);
  if (status_.ok() && !finishing_) {
    status_ = absl::CancelledError("the client cancelled or went away");
  }
  Advance(std::move(lock));
}

void DownloadCall::OnDone() { delete this; }

}  // namespace qstore::server
