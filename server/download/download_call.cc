#include "server/download/download_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/calls/status_mapping.h"
#include "server/calls/wire_records.h"
#include "server/limits/metadata_lease.h"

namespace qstore::server {
namespace {

// A client counts as prompt when it has taken this much (more than buffers on
// the way hold) and its last message within this time.
constexpr uint64_t kProbationBytes = 8u << 20;
constexpr auto kPromptWrite = std::chrono::seconds(1);

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
  auto* call = new DownloadCall(resources, admission, context);
  absl::Status parsed = call->Parse(request);
  if (parsed.ok()) {
    call->Enqueue();
  } else {
    std::unique_lock lock(call->mutex_);
    call->status_ = std::move(parsed);
    call->Advance(std::move(lock));
  }
  return call;
}

DownloadCall::DownloadCall(const DownloadResources& resources,
                           CallAdmission* admission,
                           grpc::CallbackServerContext* context)
    : resources_(resources),
      admission_(admission),
      log_("Download", context->peer()),
      stall_(resources.stalls, [context] { context->TryCancel(); }) {}

absl::Status DownloadCall::Parse(const grpc::ByteBuffer& request_bytes) {
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
  QSTORE_ASSIGN_OR_RETURN(held_, HeldChunks::FromWire(request));
  return absl::OkStatus();
}

void DownloadCall::Enqueue() {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = true;
  }
  const uint64_t ticket = admission_->EnterLater(
      CallKind::kDownload,
      [this](absl::StatusOr<CallAdmission::Permit> answer) {
        Admitted(std::move(answer));
      });
  // The call is still here: gRPC tells it of nothing before Start returns.
  const std::lock_guard lock(mutex_);
  ticket_ = ticket;
}

void DownloadCall::Admitted(absl::StatusOr<CallAdmission::Permit> answer) {
  std::unique_lock lock(mutex_);
  waiting_ = false;
  if (answer.ok()) {
    permit_ = *std::move(answer);
  } else if (status_.ok()) {
    status_ = answer.status();
  }
  Advance(std::move(lock));
}

void DownloadCall::Advance(std::unique_lock<std::mutex> lock) {
  if (finishing_ || waiting_) return;
  if (!status_.ok()) ready_.clear();
  const bool write = !writing_ && !ready_.empty();
  if (write) {
    writing_message_.Swap(&ready_.front());
    ready_.pop_front();
    writing_ = true;
    write_began_ = std::chrono::steady_clock::now();
    stall_.BeginWait();
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
    Finish(log_.End(AdviseOnDamage(status_)));
  }
}

bool DownloadCall::MayReadAhead() const {
  if (ready_.empty() && !writing_) return true;
  return ready_.size() < kReadAheadMessages &&
         resources_.gauge->bytes() < resources_.pin_bytes;
}

void DownloadCall::Produce() {
  absl::StatusOr<std::optional<grpc::ByteBuffer>> message;
  absl::Status opened;
  bool prompt = false;
  {
    const std::lock_guard lock(mutex_);
    prompt = prompt_;
  }
  if (source_ == nullptr) opened = OpenSource();
  if (opened.ok()) {
    message = source_->Next(prompt);
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
  QSTORE_ASSIGN_OR_RETURN(metadata_lease_,
                          LeaseMetadata(resources_.metadata, *reader));
  source_ = std::make_unique<DownloadSource>(
      std::move(reader), precision_, std::move(held_), resources_.part_bytes,
      resources_.gauge, resources_.pin_bytes, resources_.recent_values);
  return absl::OkStatus();
}

// Unpins the value that was being sent.
void DownloadCall::CloseSource() {
  if (source_ == nullptr) return;
  log_.add_bytes(source_->sent_bytes());
  log_.set_object(source_->object_name());
  source_.reset();
  metadata_lease_.Release();
}

absl::Status DownloadCall::ClientGone() const {
  if (!stall_.stalled()) {
    return ClientGoneError();
  }
  return absl::CancelledError(absl::StrCat(
      "the client took nothing for ",
      absl::FormatDuration(absl::FromChrono(resources_.stalls->timeout()))));
}

void DownloadCall::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  stall_.EndWait();
  written_bytes_ += writing_message_.Length();
  prompt_ = written_bytes_ >= kProbationBytes &&
            std::chrono::steady_clock::now() - write_began_ < kPromptWrite;
  writing_message_.Clear();
  if (!ok && status_.ok()) status_ = ClientGone();
  Advance(std::move(lock));
}

void DownloadCall::OnCancel() {
  std::unique_lock lock(mutex_);
  if (status_.ok() && !finishing_) status_ = ClientGone();
  if (waiting_) {
    lock.unlock();
    const bool forgotten = admission_->Forget(CallKind::kDownload, ticket_);
    lock.lock();
    // If not, the answer is on its way and brings the end.
    if (forgotten) waiting_ = false;
  }
  Advance(std::move(lock));
}

void DownloadCall::OnDone() { delete this; }

}  // namespace qstore::server
