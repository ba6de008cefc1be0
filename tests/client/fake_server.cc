#include "tests/client/fake_server.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace qstore::client {

FakeServer::FakeServer() {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

std::unique_ptr<Connection> FakeServer::Connect() const {
  return std::make_unique<Connection>(address_);
}

void FakeServer::Serve(const FakeModel& served) {
  model = served;
  stream.clear();
  revision_pages.clear();
  for (const v1::ManifestPage& page : served.Pages()) {
    if (!revision_pages.empty()) {
      revision_pages.back().set_next_page_token(
          absl::StrCat(revision_pages.size()));
    }
    SetChecked(page, revision_pages.emplace_back().mutable_page());
  }
}

void FakeServer::ServeAlways(const FakeModel& served, v1::Precision precision) {
  Serve(served);
  model.reset();
  stream = served.Stream(precision);
}

void FakeServer::WaitUntilStreamed() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return streamed_; });
}

bool FakeServer::Fails() {
  ++call_count;
  if (failures_left == 0) return false;
  --failures_left;
  return true;
}

grpc::Status FakeServer::GetUploadState(
    grpc::ServerContext* /*context*/, const v1::GetUploadStateRequest* request,
    v1::GetUploadStateResponse* response) {
  upload_state_request = *request;
  if (!upload_state.has_value()) {
    return {grpc::StatusCode::UNIMPLEMENTED, "no such call"};
  }
  *response = *upload_state;
  return grpc::Status::OK;
}

grpc::Status FakeServer::Upload(grpc::ServerContext* /*context*/,
                                grpc::ServerReader<v1::UploadRequest>* reader,
                                v1::UploadResponse* response) {
  v1::UploadRequest request;
  while (uploaded.size() < upload_message_limit && reader->Read(&request)) {
    uploaded.push_back(request);
  }
  if (Fails()) return failure;
  *response = upload_response;
  return status;
}

grpc::Status FakeServer::Download(
    grpc::ServerContext* context, const v1::DownloadRequest* request,
    grpc::ServerWriter<v1::DownloadResponse>* writer) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (Fails()) return failure;
    download_request = *request;
  }
  // A client that gives up does not wait for this to end, and the test may
  // change what is served meanwhile.
  std::vector<v1::DownloadResponse> messages = stream;
  const bool hang = hang_after_stream;
  grpc::Status end = status;
  if (model.has_value()) {
    absl::StatusOr<std::vector<v1::DownloadResponse>> answer =
        model->Answer(*request);
    if (!answer.ok()) {
      return {static_cast<grpc::StatusCode>(answer.status().code()),
              std::string(answer.status().message())};
    }
    messages = *std::move(answer);
  }
  if (messages.size() > download_message_limit) {
    messages.resize(download_message_limit);
  }
  uint64_t payload_bytes = 0;
  for (const v1::DownloadResponse& message : messages) {
    if (!writer->Write(message)) break;
    payload_bytes += message.value().payload().size();
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    sent_payload_bytes = payload_bytes;
    streamed_ = true;
  }
  changed_.notify_all();
  while (hang && !context->IsCancelled()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return end;
}

grpc::Status FakeServer::ListModels(grpc::ServerContext* /*context*/,
                                    const v1::ListModelsRequest* request,
                                    v1::ListModelsResponse* response) {
  if (Fails()) return failure;
  list_request = *request;
  *response = models;
  return status;
}

grpc::Status FakeServer::GetRevision(grpc::ServerContext* /*context*/,
                                     const v1::GetRevisionRequest* request,
                                     v1::GetRevisionResponse* response) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    revision_requests.push_back(*request);
  }
  if (revision_pages.empty()) return status;
  size_t index = 0;
  if (!request->page_token().empty() &&
      !absl::SimpleAtoi(request->page_token(), &index)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "no such page token"};
  }
  *response = revision_pages.at(std::min(index, revision_pages.size() - 1));
  // A test of a Download that fails wants the call before it to succeed.
  return grpc::Status::OK;
}

grpc::Status FakeServer::SetTag(grpc::ServerContext* /*context*/,
                                const v1::SetTagRequest* request,
                                v1::SetTagResponse* response) {
  set_tag_request = *request;
  *response = set_tag_response;
  return status;
}

grpc::Status FakeServer::Delete(grpc::ServerContext* /*context*/,
                                const v1::DeleteRequest* request,
                                v1::DeleteResponse* response) {
  if (Fails()) return failure;
  delete_request = *request;
  *response = delete_response;
  return status;
}

grpc::Status FakeServer::Verify(
    grpc::ServerContext* /*context*/, const v1::VerifyRequest* /*request*/,
    grpc::ServerWriter<v1::VerifyResponse>* writer) {
  for (const v1::VerifyResponse& message : verify_stream) {
    writer->Write(message);
  }
  return status;
}

}  // namespace qstore::client
