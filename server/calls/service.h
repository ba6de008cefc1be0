// The gRPC service: puts each call into its frame (call_frame.h) and gives the
// work to the file that is named after it. Upload, Verify and the short calls
// run on a thread of gRPC's each; Download has a reactor
// (docs/decisions/grpc-server-model.md).
#pragma once

#include "grpcpp/server_context.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "server/calls/call_frame.h"
#include "server/calls/kept_listings.h"
#include "server/check/verify_call.h"
#include "server/download/download_call.h"
#include "server/upload/upload_call.h"
#include "storage/model_store.h"

namespace qstore::server {

class ModelStoreService final
    : public v1::ModelStore::WithRawCallbackMethod_Download<
          v1::ModelStore::Service> {
 public:
  // All outlive the service. `listings` null: none are kept.
  ModelStoreService(storage::ModelStore* store,
                    const CallEnvironment& environment,
                    const UploadResources& upload,
                    const DownloadResources& download,
                    const VerifyResources& verify,
                    KeptListings* listings = nullptr);

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
  storage::ModelStore* const store_;
  const CallEnvironment environment_;
  const UploadResources upload_;
  const DownloadResources download_;
  const VerifyResources verify_;
  KeptListings* const listings_;
};

}  // namespace qstore::server
