// A short call: one message in, one out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/calls/messages.h"
#include "server/calls/pooled_call.h"
#include "server/calls/reference_message.h"

namespace qstore::server {

// Deletes itself when gRPC is done with it.
class ShortCall final : public grpc::ServerUnaryReactor, private PooledCall {
 public:
  // Fills the answer.
  using Function =
      std::function<absl::Status(CallFrame* call, grpc::ByteBuffer*)>;

  // `parsed`: whether the request could be read; if not, that is the answer.
  static ShortCall* Start(const CallEnvironment& environment,
                          const CallMethod& method,
                          grpc::CallbackServerContext* context,
                          grpc::ByteBuffer* answer, std::string object,
                          const absl::Status& parsed, Function work);

  void OnCancel() override { Cancelled(); }
  void OnDone() override { delete this; }

 private:
  ShortCall(const CallEnvironment& environment, const CallMethod& method,
            grpc::CallbackServerContext* context, grpc::ByteBuffer* answer,
            Function work);

  absl::Status Work() override;
  uint64_t AnswerBytes() const override { return answer_->Length(); }
  void EndWith(const grpc::Status& status) override;

  grpc::ByteBuffer* const answer_;
  const Function work_;
};

// "org/name:tag", or what else a request is about.
template <typename Request>
std::string ObjectOfRequest(const Request& request) {
  if constexpr (requires { request.reference(); }) {
    return NameOf(request.reference());
  } else if constexpr (requires { request.name(); }) {
    return Quoted(request.name());
  } else {
    return "";
  }
}

// Of messages: `work` is called as work(frame, request, &response).
template <typename Request, typename Response, typename Work>
ShortCall* StartShortCall(const CallEnvironment& environment,
                          const CallMethod& method,
                          grpc::CallbackServerContext* context,
                          const grpc::ByteBuffer* request,
                          grpc::ByteBuffer* answer, Work work) {
  const auto message = std::make_shared<Request>();
  const absl::Status parsed = ParseMessage(*request, message.get());
  return ShortCall::Start(
      environment, method, context, answer, ObjectOfRequest(*message), parsed,
      [message, work = std::move(work)](CallFrame* call,
                                        grpc::ByteBuffer* out) -> absl::Status {
        Response response;
        QSTORE_RETURN_IF_ERROR(work(call, *message, &response));
        *out = Serialized(response);
        return absl::OkStatus();
      });
}

}  // namespace qstore::server
