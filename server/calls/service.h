// The gRPC service: gives each call to the file that is named after it. All of
// them are reactors over bytes, so that no thread of gRPC's waits for a client
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

using RawModelStore = v1::ModelStore::WithRawCallbackMethod_Upload<
    v1::ModelStore::WithRawCallbackMethod_GetUploadState<
        v1::ModelStore::WithRawCallbackMethod_Download<
            v1::ModelStore::WithRawCallbackMethod_ListModels<
                v1::ModelStore::WithRawCallbackMethod_GetRevision<
                    v1::ModelStore::WithRawCallbackMethod_SetTag<
                        v1::ModelStore::WithRawCallbackMethod_Delete<
                            v1::ModelStore::WithRawCallbackMethod_Verify<
                                v1::ModelStore::Service>>>>>>>>;

class ModelStoreService final : public RawModelStore {
 public:
  // All outlive the service. `listings` null: none are kept.
  ModelStoreService(storage::ModelStore* store,
                    const CallEnvironment& environment,
                    const UploadResources& upload,
                    const DownloadResources& download,
                    const VerifyResources& verify,
                    KeptListings* listings = nullptr);

  grpc::ServerReadReactor<grpc::ByteBuffer>* Upload(
      grpc::CallbackServerContext* context, grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetUploadState(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* answer) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Download(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetRevision(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* SetTag(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* answer) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Verify(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;

 private:
  storage::ModelStore* const store_;
  const CallEnvironment environment_;
  const UploadResources upload_;
  const DownloadResources download_;
  const VerifyResources verify_;
  KeptListings* const listings_;
};

}  // namespace qstore::server
