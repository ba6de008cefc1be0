#include "server/upload/upload_state_call.h"

#include <utility>

#include "base/status.h"
#include "server/calls/messages.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {

UploadStateCall* UploadStateCall::Start(UploadPark* park,
                                        const CallEnvironment& environment,
                                        grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer& request,
                                        grpc::ByteBuffer* answer) {
  auto* call = new UploadStateCall(park, environment, context, answer);
  v1::GetUploadStateRequest parsed;
  if (const absl::Status status = call->Admit(request, &parsed); status.ok()) {
    call->Search(parsed);
  } else {
    call->End(status);
  }
  return call;
}

UploadStateCall::UploadStateCall(UploadPark* park,
                                 const CallEnvironment& environment,
                                 grpc::CallbackServerContext* context,
                                 grpc::ByteBuffer* answer)
    : park_(park),
      admission_(environment.admission),
      frame_(environment, kGetUploadStateMethod, context),
      stall_(environment.stalls,
             [context, stalls = environment.stalls] {
               CutOff(context, SlowClientError("took", stalls->timeout()));
             }),
      open_(environment.open_calls, frame_.peer_address(), &stall_),
      answer_(answer) {}

absl::Status UploadStateCall::Admit(const grpc::ByteBuffer& bytes,
                                    v1::GetUploadStateRequest* request) {
  QSTORE_RETURN_IF_ERROR(open_.Hold(kOpenCallBytes));
  absl::StatusOr<CallAdmission::Permit> permit = absl::UnknownError("");
  // Never waits.
  admission_->EnterLater(
      kGetUploadStateMethod.kind,
      {.address = frame_.peer_address(), .call = nullptr},
      [&permit](absl::StatusOr<CallAdmission::Permit> answer) {
        permit = std::move(answer);
      });
  QSTORE_RETURN_IF_ERROR(permit.status());
  permit_ = *std::move(permit);
  QSTORE_RETURN_IF_ERROR(frame_.AuthorizeWhole());
  QSTORE_RETURN_IF_ERROR(ParseMessage(bytes, request));
  return ValidateUploadKey(request->upload_key());
}

void UploadStateCall::Search(const v1::GetUploadStateRequest& request) {
  {
    const absl::MutexLock lock(&mutex_);
    searching_ = true;
  }
  const uint64_t search = park_->FindLater(
      request, [this](const v1::GetUploadStateResponse& state) {
        {
          const absl::MutexLock lock(&mutex_);
          searching_ = false;
        }
        *answer_ = Serialized(state);
        End(absl::OkStatus());
      });
  // The call is still here: gRPC does not let it go before the handler has
  // returned.
  const absl::MutexLock lock(&mutex_);
  search_ = search;
}

void UploadStateCall::OnCancel() {
  uint64_t search = 0;
  {
    const absl::MutexLock lock(&mutex_);
    if (!searching_) return;
    search = search_;
  }
  if (park_->Forget(search)) End(ClientGoneError());
}

void UploadStateCall::End(const absl::Status& status) {
  const grpc::Status ended = frame_.End(status);
  const CallAdmission::Permit permit = std::move(permit_);
  open_.AwaitClient();
  stall_.BeginWait();
  Finish(ended);
}

}  // namespace qstore::server
