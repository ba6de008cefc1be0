#include "server/upload/upload_call.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/reference_message.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

// "org/name:tag", safe to log before it has been validated.
std::string UploadName(const v1::UploadBegin& begin) {
  v1::Reference reference;
  reference.set_model(begin.model());
  if (!begin.tag().empty()) reference.set_tag(begin.tag());
  return NameOf(reference);
}

}  // namespace

UploadCall::UploadCall(const UploadResources& resources, CallFrame* call,
                       UploadReader* reader)
    : resources_(resources), call_(call), reader_(reader) {}

absl::Status UploadCall::Run(v1::UploadResponse* response) {
  const absl::StatusOr<bool> received = Receive();
  if (received.ok() && !*received) return Broken();
  absl::Status status = received.ok() ? Commit(response) : received.status();
  if (ReasonOf(status) == kReasonDiskFull) {
    resources_.park->DropAll("a running upload found no room on the disk");
  }
  if (!status.ok()) {
    const std::string& name = session_->object_name();
    return name.empty() ? status : Annotate(status, name);
  }
  // The answer may be lost: then its client comes again and gets another. When
  // the client itself is gone, it may be another run of it that comes.
  if (!session_->upload_key().empty()) {
    const std::string client_id = session_->client_id();
    resources_.park->Park(std::move(session_),
                          reader_->IsOver() ? "" : client_id);
  }
  return absl::OkStatus();
}

absl::Status UploadCall::Broken() {
  const uint64_t received_bytes = session_->received_bytes();
  bool keep = !session_->upload_key().empty() && resources_.park->keeps();
  if (keep) {
    resources_.park->Park(std::move(session_));
  } else {
    keep = session_->Leave();
  }
  const absl::Status why = reader_->ClientGone();
  return WithReason(
      absl::CancelledError(absl::StrCat(
          why.message(), ", after ", received_bytes,
          keep ? " bytes; it may go on" : " bytes; nothing was stored")),
      ReasonOf(why));
}

absl::Status UploadCall::Commit(v1::UploadResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(*response, session_->Commit());
  call_->set_revision(response->revision());
  call_->set_outcome(absl::StrCat(
      "revision ", response->revision(),
      response->created() ? "" : " was there",
      response->moved_from().empty()
          ? ""
          : absl::StrCat(", its tag moved from ", response->moved_from())));
  return absl::OkStatus();
}

std::unique_ptr<UploadSession> UploadCall::NewSession(
    const v1::UploadRequest& first) {
  IngestResources resources = resources_.ingest;
  // One that may be gone on with takes in what has come before it is parked,
  // which frees all that it waits for.
  if (first.begin().upload_key().empty()) {
    resources.cancelled = [reader = reader_] { return reader->IsOver(); };
  }
  return std::make_unique<UploadSession>(resources_.store, resources);
}

absl::StatusOr<bool> UploadCall::Receive() {
  v1::UploadRequest request;
  session_ = NewSession(request);
  bool first = true;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const bool any, reader_->Read(&request));
    if (!any) return !reader_->IsOver();
    if (std::exchange(first, false) && request.has_begin()) {
      QSTORE_RETURN_IF_ERROR(Begin(request));
      continue;
    }
    const absl::Status handled = session_->Handle(request);
    // What the connection's end broke off, and may be gone on with.
    if (absl::IsCancelled(handled) && reader_->IsOver()) return false;
    QSTORE_RETURN_IF_ERROR(handled);
    call_->add_bytes(request.bytes().payload().size());
  }
}

absl::Status UploadCall::Begin(const v1::UploadRequest& first) {
  const v1::UploadBegin& begin = first.begin();
  call_->set_object(UploadName(begin));
  QSTORE_RETURN_IF_ERROR(call_->Authorize(begin.model()));
  if (begin.has_resume()) {
    QSTORE_ASSIGN_OR_RETURN(session_, resources_.park->Resume(begin));
  } else {
    session_ = NewSession(first);
    QSTORE_RETURN_IF_ERROR(session_->Handle(first));
  }
  session_->set_call_over([reader = reader_] { return reader->IsOver(); });
  if (!session_->upload_key().empty()) {
    running_ = resources_.park->Enter(begin.upload_key(), begin.client_id(),
                                      [reader = reader_] { reader->Cancel(); });
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
