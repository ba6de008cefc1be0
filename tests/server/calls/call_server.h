// Calls over a real connection, and what their errors say to programs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
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
class CallServer final : public v1::Admin::Service {
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
  grpc::Status GetScrubStatus(grpc::ServerContext* context,
                              const v1::GetScrubStatusRequest* request,
                              v1::ScrubStatus* response) override;

  const AllowAll allow_all_;
  const Rights* const rights_;
  CallAdmission admission_;
  CallCounts counts_;
  // Of the call that runs.
  const CallMethod* method_ = nullptr;
  Work work_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

}  // namespace qstore::server
