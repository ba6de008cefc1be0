// Calls over a real connection, and what their errors say to programs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/timer.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/server.h"
#include "qstore/v1/admin.grpc.pb.h"
#include "server/calls/call_frame.h"

namespace qstore::server {

// The details of an error, which must be a well-formed google.rpc.Status of the
// same code and message: otherwise the test fails.
google::rpc::Status DetailsOf(const grpc::Status& status);
// Its only google.rpc.ErrorInfo; empty when there is none.
google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status);
bool HasRetryInfo(const grpc::Status& status);

// A server whose one call does what a test wants, within the frame of any
// method.
class CallServer final : public v1::Admin::WithRawCallbackMethod_GetScrubStatus<
                             v1::Admin::Service> {
 public:
  using Work = std::function<absl::Status(CallFrame*)>;

  // `rights` null: everybody may call everything.
  explicit CallServer(const Rights* rights = nullptr);
  ~CallServer() override;

  grpc::Status Call(const CallMethod& method, Work work,
                    grpc::ClientContext* context);
  grpc::Status Call(const CallMethod& method, Work work);

  CallAdmission& admission() { return admission_; }
  const CallCounts& counts() const { return counts_; }

 private:
  grpc::ServerUnaryReactor* GetScrubStatus(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* answer) override;

  const AllowAll allow_all_;
  const Rights* const rights_;
  Timer timer_;
  StallWatch stalls_;
  OpenCalls open_calls_{uint64_t{16} << 20};
  CallAdmission admission_;
  CallCounts counts_;
  ThreadPool threads_{16, 16};
  // Of the call that runs.
  const CallMethod* method_ = nullptr;
  Work work_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

}  // namespace qstore::server
