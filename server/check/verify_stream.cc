#include "server/check/verify_stream.h"

#include <utility>

#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/messages.h"
#include "server/calls/reference_message.h"

namespace qstore::server {

VerifyStream* VerifyStream::Start(const VerifyResources& resources,
                                  const CallEnvironment& environment,
                                  grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer& request) {
  v1::VerifyRequest message;
  const absl::Status parsed = ParseMessage(request, &message);
  auto* call = new VerifyStream(resources, environment, context, message);
  call->frame().set_object(NameOf(message.reference()));
  call->Begin(parsed);
  return call;
}

VerifyStream::VerifyStream(const VerifyResources& resources,
                           const CallEnvironment& environment,
                           grpc::CallbackServerContext* context,
                           v1::VerifyRequest request)
    : PooledCall(environment, kVerifyMethod, context, resources.threads,
                 "took"),
      resources_(resources),
      request_(std::move(request)) {}

absl::Status VerifyStream::Work() {
  const absl::Status status = VerifyRevision(
      resources_, &frame(), [this] { return IsCancelled(); }, request_,
      [this](const v1::VerifyResponse& response) { return Write(response); });
  const bool cancelled = EffectiveReasonOf(status) == kReasonCancelled;
  return cancelled ? ClientGone() : status;
}

bool VerifyStream::Write(const v1::VerifyResponse& response) {
  message_ = Serialized(response);
  {
    const absl::MutexLock lock(&mutex_);
    written_ = false;
  }
  stall().BeginWait();
  StartWrite(&message_);
  bool ok = false;
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&written_));
    ok = written_ok_;
  }
  stall().EndWait();
  return ok;
}

void VerifyStream::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  written_ = true;
  written_ok_ = ok;
}

}  // namespace qstore::server
