#include "server/download/download_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "server/calls/messages.h"
#include "server/calls/status_mapping.h"
#include "server/limits/metadata_lease.h"

namespace qstore::server {
namespace {

// A client that takes longer for a message is slow.
constexpr auto kSlowWrite = std::chrono::milliseconds(500);

// Of a download that found the queue of reads full.
constexpr absl::Duration kReadRetryDelay = absl::Seconds(2);

absl::Status TooManyReadsError() {
  return WithRetryHint(WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                      "the queue of reads is full; retry in ",
                                      absl::FormatDuration(kReadRetryDelay))),
                                  kReasonTooManyCalls),
                       kReadRetryDelay);
}

}  // namespace

DownloadCall* DownloadCall::Start(const DownloadResources& resources,
                                  const CallEnvironment& environment,
                                  grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer& request) {
  auto* call = new DownloadCall(resources, environment, context);
  absl::Status parsed = call->Parse(request);
  if (parsed.ok()) {
    call->Enqueue();
  } else {
    call->mutex_.Lock();
    call->status_ = std::move(parsed);
    call->Advance();
  }
  return call;
}

DownloadCall::DownloadCall(const DownloadResources& resources,
                           const CallEnvironment& environment,
                           grpc::CallbackServerContext* context)
    : resources_(resources),
      admission_(environment.admission),
      frame_(environment, kDownloadMethod, context),
      stalls_(environment.stalls),
      stall_(stalls_, [context, stalls = stalls_] {
        CutOff(context, SlowClientError("took", stalls->timeout()));
      }) {}

absl::Status DownloadCall::Parse(const grpc::ByteBuffer& request_bytes) {
  QSTORE_FAILPOINT("download.admit");
  v1::DownloadRequest request;
  QSTORE_RETURN_IF_ERROR(ParseMessage(request_bytes, &request));
  QSTORE_ASSIGN_OR_RETURN(reference_, frame_.Authorize(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(request_, wire::FromWire(request));
  return absl::OkStatus();
}

void DownloadCall::Enqueue() {
  {
    const absl::MutexLock lock(&mutex_);
    waiting_ = true;
  }
  const uint64_t ticket = admission_->EnterLater(
      CallKind::kDownload, {.address = frame_.peer_address(), .call = &stall_},
      [this](absl::StatusOr<CallAdmission::Permit> answer) {
        Admitted(std::move(answer));
      });
  // The call is still here: gRPC tells it of nothing before Start returns.
  const absl::MutexLock lock(&mutex_);
  ticket_ = ticket;
}

void DownloadCall::Admitted(absl::StatusOr<CallAdmission::Permit> answer) {
  mutex_.Lock();
  waiting_ = false;
  if (answer.ok()) {
    permit_ = *std::move(answer);
  } else if (status_.ok()) {
    status_ = answer.status();
  }
  Advance();
}

void DownloadCall::Advance() {
  if (finishing_ || waiting_) {
    mutex_.Unlock();
    return;
  }
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
  if (more && !producing_ && WindowHasRoom()) {
    // Never blocks, and never fails while the queue has room for every call.
    producing_ = resources_.read_pool->TrySubmit([this] { Produce(); });
    if (!producing_) {
      status_ = TooManyReadsError();
      more = false;
    }
  }
  if (!more && !producing_) {
    CloseSource();
    finishing_ = !writing_ && ready_.empty();
  }
  const bool finish = finishing_;
  const absl::Status status = finish ? status_ : absl::OkStatus();
  // gRPC is called without the lock, since its reactions take it. Until the
  // write or the end is reported, nobody else starts one.
  mutex_.Unlock();
  if (write) {
    StartWrite(&writing_message_);
  } else if (finish) {
    Finish(frame_.End(status));
  }
}

bool DownloadCall::WindowHasRoom() const {
  const size_t pending = ready_.size() + (writing_ ? 1 : 0);
  if (pending == 0) return true;
  return pending < window_messages_ &&
         resources_.gauge->bytes() < resources_.pin_bytes;
}

absl::StatusOr<std::optional<grpc::ByteBuffer>> DownloadCall::NextMessage() {
  if (source_ == nullptr) QSTORE_RETURN_IF_ERROR(OpenSource());
  QSTORE_ASSIGN_OR_RETURN(std::optional<grpc::ByteBuffer> message,
                          source_->Next());
  QSTORE_FAILPOINT("download.send");
  return message;
}

void DownloadCall::Produce() {
  while (true) {
    absl::StatusOr<std::optional<grpc::ByteBuffer>> message = NextMessage();
    mutex_.Lock();
    if (!message.ok()) {
      if (status_.ok()) status_ = message.status();
    } else if (message->has_value()) {
      ready_.push_back(std::move(**message));
    } else {
      exhausted_ = true;
    }
    // Stays producing_ while it goes on, so that the call outlives the loop.
    producing_ = status_.ok() && !exhausted_ && WindowHasRoom();
    if (!producing_) {
      Advance();
      return;
    }
    if (writing_) {
      mutex_.Unlock();
    } else {
      Advance();
    }
  }
}

absl::Status DownloadCall::OpenSource() {
  QSTORE_FAILPOINT("download.open");
  QSTORE_ASSIGN_OR_RETURN(auto reader,
                          resources_.store->OpenRevision(reference_));
  frame_.set_revision(reader->revision().revision);
  QSTORE_ASSIGN_OR_RETURN(metadata_lease_,
                          LeaseMetadata(resources_.metadata, *reader));
  QSTORE_ASSIGN_OR_RETURN(std::vector<std::string> tags,
                          TagsOf(resources_.store, reader->revision()));
  source_ = std::make_unique<DownloadSource>(
      std::move(reader), std::move(tags), std::move(request_), resources_.gauge,
      [this] { return HasEnded(); });
  return absl::OkStatus();
}

bool DownloadCall::HasEnded() {
  const absl::MutexLock lock(&mutex_);
  return !status_.ok();
}

// Unpins the value that was being sent.
void DownloadCall::CloseSource() {
  if (source_ == nullptr) return;
  frame_.add_bytes(source_->sent_bytes());
  frame_.set_object(source_->object_name());
  source_.reset();
  metadata_lease_.Release();
}

absl::Status DownloadCall::ClientGone() const {
  if (!stall_.stalled()) {
    return ClientGoneError();
  }
  return SlowClientError("took", stalls_->timeout());
}

void DownloadCall::OnWriteDone(bool ok) {
  mutex_.Lock();
  writing_ = false;
  stall_.EndWait();
  const bool slow =
      std::chrono::steady_clock::now() - write_began_ >= kSlowWrite;
  window_messages_ =
      slow ? 1 : std::min(window_messages_ + 1, kMaxWindowMessages);
  writing_message_.Clear();
  if (!ok && status_.ok()) status_ = ClientGone();
  Advance();
}

void DownloadCall::OnCancel() {
  mutex_.Lock();
  if (status_.ok() && !finishing_) status_ = ClientGone();
  if (waiting_) {
    const uint64_t ticket = ticket_;
    mutex_.Unlock();
    const bool forgotten = admission_->Forget(CallKind::kDownload, ticket);
    mutex_.Lock();
    // If not, the answer is on its way and brings the end.
    if (forgotten) waiting_ = false;
  }
  Advance();
}

void DownloadCall::OnDone() { delete this; }

}  // namespace qstore::server
