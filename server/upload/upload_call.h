// One Upload: takes the stream's messages into a session, commits it, and keeps
// it for a client that may go on with it.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/sync_stream.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/limits/stall_watch.h"
#include "server/upload/ingest_resources.h"
#include "server/upload/upload_park.h"
#include "server/upload/upload_session.h"
#include "storage/model_store.h"

namespace qstore::server {

// What all uploads share. Not owned; outlives every call.
struct UploadResources {
  storage::ModelStore* store = nullptr;
  IngestResources ingest;
  UploadPark* park = nullptr;
  StallWatch* stalls = nullptr;
};

// Within the frame `call`; all outlive this.
class UploadCall {
 public:
  using Reader = grpc::ServerReaderInterface<v1::UploadRequest>;

  UploadCall(const UploadResources& resources, CallFrame* call,
             grpc::ServerContext* context, Reader* reader);

  absl::Status Run(v1::UploadResponse* response);

 private:
  // For a stream that begins with this message.
  std::unique_ptr<UploadSession> NewSession(const v1::UploadRequest& first);
  // Takes the stream's messages, into a new session or the one that the client
  // goes on with; false when the connection broke.
  absl::StatusOr<bool> Receive();
  absl::Status Begin(const v1::UploadRequest& first);
  bool Read(v1::UploadRequest* request);
  // Keeps what came before the connection broke, where it may be gone on with.
  absl::Status Broken();
  absl::Status Commit(v1::UploadResponse* response);

  const UploadResources& resources_;
  CallFrame* const call_;
  grpc::ServerContext* const context_;
  Reader* const reader_;
  StallWatch::Call stall_;
  std::unique_ptr<UploadSession> session_;
  // Until the session is where UploadPark::Find looks for it: destroyed before
  // it.
  UploadPark::Running running_;
};

}  // namespace qstore::server
