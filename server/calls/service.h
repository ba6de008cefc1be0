// The gRPC service: admits calls, logs their ends, and gives the work to the
// classes that do it. Upload, Verify and the short calls run on a thread of
// gRPC's each; Download has a reactor (docs/decisions/grpc-server-model.md).
#pragma once

#include "grpcpp/server_context.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "server/calls/call_log.h"
#include "server/download/download_call.h"
#include "server/limits/call_admission.h"
#include "server/limits/stall_watch.h"
#include "server/upload/ingest_resources.h"
#include "server/upload/upload_park.h"
#include "server/upload/upload_session.h"
#include "storage/model_store.h"

namespace qstore::server {

class ModelStoreService final
    : public v1::ModelStore::WithRawCallbackMethod_Download<
          v1::ModelStore::Service> {
 public:
  // All outlive the service.
  ModelStoreService(storage::ModelStore* store, CallAdmission* admission,
                    const IngestResources& ingest, UploadPark* park,
                    const DownloadResources& download, ByteBudget* verify);

  grpc::Status Upload(grpc::ServerContext* context,
                      grpc::ServerReader<v1::UploadRequest>* reader,
                      v1::UploadResponse* response) override;
  grpc::Status GetUploadState(grpc::ServerContext* context,
                              const v1::GetUploadStateRequest* request,
                              v1::GetUploadStateResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Download(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
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

 private:
  absl::Status RunUpload(grpc::ServerContext* context,
                         grpc::ServerReader<v1::UploadRequest>* reader,
                         v1::UploadResponse* response, CallLog* log);
  // For a stream that begins with this message.
  std::unique_ptr<UploadSession> NewSession(
      grpc::ServerContext* context, const v1::UploadRequest& first) const;
  // Takes the stream's messages, into a new session or the one that the client
  // goes on with; false when the connection broke.
  absl::StatusOr<bool> Receive(grpc::ServerContext* context,
                               grpc::ServerReader<v1::UploadRequest>* reader,
                               StallWatch::Call* stall,
                               std::unique_ptr<UploadSession>* session,
                               UploadPark::Running* running, CallLog* log);
  absl::Status RunGetUploadState(const v1::GetUploadStateRequest& request,
                                 v1::GetUploadStateResponse* response);
  absl::Status RunListModels(const v1::ListModelsRequest& request,
                             v1::ListModelsResponse* response);
  absl::Status RunGetRevision(const v1::GetRevisionRequest& request,
                              v1::GetRevisionResponse* response);
  absl::Status RunSetTag(const v1::SetTagRequest& request,
                         v1::SetTagResponse* response);
  absl::Status RunDelete(const v1::DeleteRequest& request,
                         v1::DeleteResponse* response);
  absl::Status RunVerify(grpc::ServerContext* context,
                         const v1::VerifyRequest& request,
                         grpc::ServerWriter<v1::VerifyResponse>* writer,
                         CallLog* log);

  storage::ModelStore* const store_;
  CallAdmission* const admission_;
  const IngestResources ingest_;
  UploadPark* const park_;
  const DownloadResources download_;
  ByteBudget* const verify_budget_;
};

}  // namespace qstore::server
