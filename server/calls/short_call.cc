#include "server/calls/short_call.h"

namespace qstore::server {

ShortCall* ShortCall::Start(const CallEnvironment& environment,
                            const CallMethod& method,
                            grpc::CallbackServerContext* context,
                            grpc::ByteBuffer* answer, std::string object,
                            const absl::Status& parsed, Function work) {
  auto* call =
      new ShortCall(environment, method, context, answer, std::move(work));
  call->frame().set_object(std::move(object));
  call->Begin(parsed);
  return call;
}

ShortCall::ShortCall(const CallEnvironment& environment,
                     const CallMethod& method,
                     grpc::CallbackServerContext* context,
                     grpc::ByteBuffer* answer, Function work)
    : PooledCall(environment, method, context, environment.short_calls, "took"),
      answer_(answer),
      work_(std::move(work)) {}

absl::Status ShortCall::Work() { return work_(&frame(), answer_); }

void ShortCall::EndWith(const grpc::Status& status) {
  if (!status.ok()) answer_->Clear();
  Finish(status);
}

}  // namespace qstore::server
