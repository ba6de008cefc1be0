#include "server/calls/service.h"

#include "server/calls/delete_call.h"
#include "server/calls/get_revision_call.h"
#include "server/calls/list_models_call.h"
#include "server/calls/set_tag_call.h"
#include "server/calls/short_call.h"
#include "server/check/verify_stream.h"
#include "server/upload/upload_state_call.h"
#include "server/upload/upload_stream.h"

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

grpc::ServerReadReactor<grpc::ByteBuffer>* ModelStoreService::Upload(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* answer) {
  return UploadStream::Start(upload_, environment_, context, answer);
}

grpc::ServerUnaryReactor* ModelStoreService::GetUploadState(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return UploadStateCall::Start(upload_.park, environment_, context, *request,
                                answer);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelStoreService::Download(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return DownloadCall::Start(download_, environment_, context, *request);
}

grpc::ServerUnaryReactor* ModelStoreService::ListModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::ListModelsRequest, v1::ListModelsResponse>(
      environment_, kListModelsMethod, context, request, answer,
      [this](CallFrame* /*call*/, const v1::ListModelsRequest& message,
             v1::ListModelsResponse* response) {
        return server::ListModels(store_, message, response);
      });
}

grpc::ServerUnaryReactor* ModelStoreService::GetRevision(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::GetRevisionRequest, v1::GetRevisionResponse>(
      environment_, kGetRevisionMethod, context, request, answer,
      [this](CallFrame* call, const v1::GetRevisionRequest& message,
             v1::GetRevisionResponse* response) {
        return server::GetRevision(store_, download_.metadata, listings_, call,
                                   message, response);
      });
}

grpc::ServerUnaryReactor* ModelStoreService::SetTag(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::SetTagRequest, v1::SetTagResponse>(
      environment_, kSetTagMethod, context, request, answer,
      [this](CallFrame* call, const v1::SetTagRequest& message,
             v1::SetTagResponse* response) {
        return server::SetTag(store_, call, message, response);
      });
}

grpc::ServerUnaryReactor* ModelStoreService::Delete(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::DeleteRequest, v1::DeleteResponse>(
      environment_, kDeleteMethod, context, request, answer,
      [this](CallFrame* call, const v1::DeleteRequest& message,
             v1::DeleteResponse* response) {
        return server::Delete(store_, upload_.ingest.quotas, listings_, call,
                              message, response);
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelStoreService::Verify(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return VerifyStream::Start(verify_, environment_, context, *request);
}

}  // namespace qstore::server
