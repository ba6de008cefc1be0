// A model store in this process that says what a test tells it to.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "grpcpp/server.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "tests/client/fake_model.h"

namespace qstore::client {

// Set what it answers before a call and read what it saw after it.
class FakeServer final : public v1::ModelStore::Service {
 public:
  FakeServer();
  ~FakeServer() override;

  // Answers GetRevision and Download as an honest server that has the model...
  void Serve(const FakeModel& served);
  // ...or Download as when everything was asked for, however it is.
  void ServeAlways(const FakeModel& served, v1::Precision precision);

  const std::string& address() const { return address_; }
  std::unique_ptr<Connection> Connect() const;

  // This many calls end with `failure` before anything else happens; an Upload
  // after it has taken upload_message_limit messages.
  int failures_left = 0;
  grpc::Status failure;
  int call_count = 0;  // GetUploadState aside

  // Every call ends with this unless it is OK; Download after what it sends,
  // Verify after `verify_stream`, GetRevision only when it has no pages.
  grpc::Status status;
  // GetRevision answers with one of them at a time; page tokens are numbers.
  std::vector<v1::GetRevisionResponse> revision_pages;
  // Download answers what is asked, out of this model...
  std::optional<FakeModel> model;
  // ...or, when there is none, with this.
  std::vector<v1::DownloadResponse> stream;
  // Download sends no more than this of either.
  size_t download_message_limit = SIZE_MAX;
  // Download waits for the client to cancel instead of ending.
  bool hang_after_stream = false;
  v1::UploadResponse upload_response;
  // Not set: GetUploadState is not known.
  std::optional<v1::GetUploadStateResponse> upload_state;
  // Upload ends with `status` after this many messages.
  size_t upload_message_limit = SIZE_MAX;
  v1::ListModelsResponse models;
  v1::SetTagResponse set_tag_response;
  v1::DeleteResponse delete_response;
  std::vector<v1::VerifyResponse> verify_stream;

  std::vector<v1::UploadRequest> uploaded;
  v1::GetUploadStateRequest upload_state_request;
  std::vector<v1::GetRevisionRequest> revision_requests;
  v1::DownloadRequest download_request;
  uint64_t sent_payload_bytes = 0;  // of values, by the last Download
  v1::SetTagRequest set_tag_request;
  v1::DeleteRequest delete_request;
  v1::ListModelsRequest list_request;

  // Waits until a Download has sent all that it will.
  void WaitUntilStreamed();

 private:
  // Whether this call is one of those that fail.
  bool Fails();
  grpc::Status Upload(grpc::ServerContext* context,
                      grpc::ServerReader<v1::UploadRequest>* reader,
                      v1::UploadResponse* response) override;
  grpc::Status GetUploadState(grpc::ServerContext* context,
                              const v1::GetUploadStateRequest* request,
                              v1::GetUploadStateResponse* response) override;
  grpc::Status Download(
      grpc::ServerContext* context, const v1::DownloadRequest* request,
      grpc::ServerWriter<v1::DownloadResponse>* writer) override;
  grpc::Status ListModels(grpc::ServerContext* context,
                          const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetRevision(grpc::ServerContext* context,
                           const v1::GetRevisionRequest* request,
                           v1::GetRevisionResponse* response) override;
  grpc::Status SetTag(grpc::ServerContext* context,
                      const v1::SetTagRequest* request,
                      v1::SetTagResponse* response) override;
  grpc::Status Delete(grpc::ServerContext* context,
                      const v1::DeleteRequest* request,
                      v1::DeleteResponse* response) override;
  grpc::Status Verify(grpc::ServerContext* context,
                      const v1::VerifyRequest* request,
                      grpc::ServerWriter<v1::VerifyResponse>* writer) override;

  std::string address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool streamed_ = false;  // guarded by mutex_
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace qstore::client
