#include "server/calls/pooled_call.h"

#include <utility>

#include "base/check.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {

PooledCall::PooledCall(const CallEnvironment& environment,
                       const CallMethod& method,
                       grpc::CallbackServerContext* context, ThreadPool* pool,
                       const char* client_duty)
    : environment_(environment),
      method_(method),
      context_(context),
      pool_(pool),
      client_duty_(client_duty),
      frame_(environment, method, context),
      stall_(environment.stalls, [this] { CutOff(context_, ClientGone()); }),
      open_(environment.open_calls, frame_.peer_address(), &stall_) {}

void PooledCall::Begin(const absl::Status& parsed) {
  const absl::Status begun = parsed.ok() ? open_.Hold(kOpenCallBytes) : parsed;
  if (!begun.ok()) {
    End(begun);
    return;
  }
  {
    const absl::MutexLock lock(&mutex_);
    waiting_ = true;
  }
  const uint64_t ticket = environment_.admission->EnterLater(
      method_.kind, {.address = frame_.peer_address(), .call = &stall_},
      [this](absl::StatusOr<CallAdmission::Permit> answer) {
        Admitted(std::move(answer));
      });
  // The call is still here: gRPC does not let it go before the handler has
  // returned.
  const absl::MutexLock lock(&mutex_);
  ticket_ = ticket;
}

void PooledCall::Admitted(absl::StatusOr<CallAdmission::Permit> answer) {
  {
    const absl::MutexLock lock(&mutex_);
    waiting_ = false;
  }
  if (!answer.ok()) {
    End(answer.status());
    return;
  }
  permit_ = *std::move(answer);
  const bool submitted = pool_->TrySubmit([this] { Run(); });
  QSTORE_DCHECK(submitted);
  if (!submitted) End(absl::InternalError("no thread is left for the call"));
}

void PooledCall::Run() {
  absl::Status status = frame_.AuthorizeWhole();
  if (status.ok()) status = Work();
  if (status.ok()) status = open_.Hold(kOpenCallBytes + AnswerBytes());
  End(status);
}

void PooledCall::Cancelled() {
  uint64_t ticket = 0;
  {
    const absl::MutexLock lock(&mutex_);
    if (!waiting_) return;
    ticket = ticket_;
  }
  // If it has left the queue, the answer is on its way and brings the end.
  if (!environment_.admission->Forget(method_.kind, ticket)) return;
  End(WithReason(absl::CancelledError("the client cancelled or went away while "
                                      "the call was waiting"),
                 kReasonCancelled));
}

void PooledCall::End(const absl::Status& status) {
  const grpc::Status ended = frame_.End(status);
  // When no call runs any more, all have given their answers to gRPC.
  permit_.OutliveCall();
  const CallAdmission::Permit permit = std::move(permit_);
  // What is left is that the client takes the answer.
  open_.AwaitClient();
  stall_.BeginWait();
  EndWith(ended);
}

absl::Status PooledCall::ClientGone() const {
  if (!stall_.stalled()) return ClientGoneError();
  if (stall_.expired()) return MadeRoomError();
  return SlowClientError(client_duty_, environment_.stalls->timeout());
}

}  // namespace qstore::server
