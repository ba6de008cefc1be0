#include "tests/server/calls/call_server.h"

#include <gtest/gtest.h>

#include <utility>

#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/error_details.h"
#include "server/calls/short_call.h"

namespace qstore::server {

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(grpc::ExtractErrorDetails(status, &details).ok());
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.message(), status.error_message());
  return details;
}

google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::ErrorInfo found;
  int count = 0;
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) {
      EXPECT_TRUE(detail.UnpackTo(&found));
      ++count;
    }
  }
  EXPECT_LE(count, 1);
  return found;
}

bool HasRetryInfo(const grpc::Status& status) {
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&retry)) return retry.retry_delay().seconds() > 0;
  }
  return false;
}

CallServer::CallServer(const Rights* rights)
    : rights_(rights != nullptr ? rights : &allow_all_),
      stalls_(std::chrono::minutes(5), &timer_),
      admission_(CallAdmission::Limits{}, &timer_) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  stub_ = v1::Admin::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
}

CallServer::~CallServer() { server_->Shutdown(); }

grpc::Status CallServer::Call(const CallMethod& method, Work work,
                              grpc::ClientContext* context) {
  method_ = &method;
  work_ = std::move(work);
  v1::ScrubStatus response;
  return stub_->GetScrubStatus(context, {}, &response);
}

grpc::Status CallServer::Call(const CallMethod& method, Work work) {
  grpc::ClientContext context;
  return Call(method, std::move(work), &context);
}

grpc::ServerUnaryReactor* CallServer::GetScrubStatus(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::GetScrubStatusRequest, v1::ScrubStatus>(
      {.admission = &admission_,
       .rights = rights_,
       .counts = &counts_,
       .stalls = &stalls_,
       .open_calls = &open_calls_,
       .short_calls = &threads_},
      *method_, context, request, answer,
      [this](CallFrame* call, const v1::GetScrubStatusRequest& /*message*/,
             v1::ScrubStatus* /*response*/) { return work_(call); });
}

}  // namespace qstore::server
