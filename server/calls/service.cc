#include "server/calls/service.h"

#include "base/status.h"
#include "server/calls/delete_call.h"
#include "server/calls/get_revision_call.h"
#include "server/calls/list_models_call.h"
#include "server/calls/reference_message.h"
#include "server/calls/set_tag_call.h"

namespace qstore::server {

ModelStoreService::ModelStoreService(storage::ModelStore* store,
                                     const CallEnvironment& environment,
                                     const UploadResources& upload,
                                     const DownloadResources& download,
                                     const VerifyResources& verify,
                                     KeptListings* listings)
    : store_(store),
      environment_(environment),
      upload_(upload),
      download_(download),
      verify_(verify),
      listings_(listings) {}

grpc::Status ModelStoreService::Upload(
    grpc::ServerContext* context, grpc::ServerReader<v1::UploadRequest>* reader,
    v1::UploadResponse* response) {
  CallFrame call(environment_, kUploadMethod, context);
  return call.Run([&] {
    return UploadCall(upload_, &call, context, reader).Run(response);
  });
}

grpc::Status ModelStoreService::GetUploadState(
    grpc::ServerContext* context, const v1::GetUploadStateRequest* request,
    v1::GetUploadStateResponse* response) {
  CallFrame call(environment_, kGetUploadStateMethod, context);
  return call.Run([&]() -> absl::Status {
    QSTORE_RETURN_IF_ERROR(ValidateUploadKey(request->upload_key()));
    *response = upload_.park->Find(*request);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelStoreService::Download(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return DownloadCall::Start(download_, environment_, context, *request);
}

grpc::Status ModelStoreService::ListModels(grpc::ServerContext* context,
                                           const v1::ListModelsRequest* request,
                                           v1::ListModelsResponse* response) {
  CallFrame call(environment_, kListModelsMethod, context);
  return call.Run(
      [&] { return server::ListModels(store_, *request, response); });
}

grpc::Status ModelStoreService::GetRevision(
    grpc::ServerContext* context, const v1::GetRevisionRequest* request,
    v1::GetRevisionResponse* response) {
  CallFrame call(environment_, kGetRevisionMethod, context,
                 NameOf(request->reference()));
  return call.Run([&] {
    return server::GetRevision(store_, download_.metadata, listings_, &call,
                               *request, response);
  });
}

grpc::Status ModelStoreService::SetTag(grpc::ServerContext* context,
                                       const v1::SetTagRequest* request,
                                       v1::SetTagResponse* response) {
  CallFrame call(environment_, kSetTagMethod, context,
                 NameOf(request->reference()));
  return call.Run(
      [&] { return server::SetTag(store_, &call, *request, response); });
}

grpc::Status ModelStoreService::Delete(grpc::ServerContext* context,
                                       const v1::DeleteRequest* request,
                                       v1::DeleteResponse* response) {
  CallFrame call(environment_, kDeleteMethod, context,
                 NameOf(request->reference()));
  return call.Run([&] {
    return server::Delete(store_, upload_.ingest.quotas, listings_, &call,
                          *request, response);
  });
}

grpc::Status ModelStoreService::Verify(
    grpc::ServerContext* context, const v1::VerifyRequest* request,
    grpc::ServerWriter<v1::VerifyResponse>* writer) {
  CallFrame call(environment_, kVerifyMethod, context,
                 NameOf(request->reference()));
  return call.Run([&] {
    return VerifyRevision(verify_, &call, context, *request, writer);
  });
}

}  // namespace qstore::server
