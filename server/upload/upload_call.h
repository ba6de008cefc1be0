// One Upload: takes the stream's messages into a session, commits it, and keeps
// it for a client that may go on with it.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
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
  ThreadPool* threads = nullptr;  // one for each that runs
};

// Where an upload's messages come from. Thread-safe but for Read.
class UploadReader {
 public:
  virtual ~UploadReader() = default;
  // Waits for the next message. False: there is none, since the client has sent
  // all or the call is over. INVALID_ARGUMENT: it cannot be parsed.
  virtual absl::StatusOr<bool> Read(v1::UploadRequest* request) = 0;
  virtual bool IsOver() const = 0;
  // Ends the call, and Read.
  virtual void Cancel() = 0;
  // CANCELLED: why the client is not there any more.
  virtual absl::Status ClientGone() const = 0;
};

// Within the frame `call`; all outlive this.
class UploadCall {
 public:
  UploadCall(const UploadResources& resources, CallFrame* call,
             UploadReader* reader);

  absl::Status Run(v1::UploadResponse* response);

 private:
  // For a stream that begins with this message.
  std::unique_ptr<UploadSession> NewSession(const v1::UploadRequest& first);
  // Takes the stream's messages, into a new session or the one that the client
  // goes on with; false when the connection broke.
  absl::StatusOr<bool> Receive();
  absl::Status Begin(const v1::UploadRequest& first);
  // Keeps what came before the connection broke, where it may be gone on with.
  absl::Status Broken();
  absl::Status Commit(v1::UploadResponse* response);

  const UploadResources& resources_;
  CallFrame* const call_;
  UploadReader* const reader_;
  std::unique_ptr<UploadSession> session_;
  // Until the session is where UploadPark::Find looks for it: destroyed before
  // it.
  UploadPark::Running running_;
};

}  // namespace qstore::server
