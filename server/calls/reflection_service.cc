#include "server/calls/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <array>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "server/calls/status_mapping.h"
#include "server/connections/peer_address.h"
#include "server/limits/open_calls.h"
#include "server/limits/stall_watch.h"

namespace qstore::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using reflection_api::ServerReflectionRequest;
using reflection_api::ServerReflectionResponse;

constexpr auto kServices = std::to_array<const char*>(
    {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
     "qstore.v1.Admin", "qstore.v1.ModelStore"});

// The file, and what it depends on.
void AddFile(const FileDescriptor& file, std::unordered_set<std::string>* seen,
             reflection_api::FileDescriptorResponse* response) {
  if (!seen->insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), seen, response);
  }
}

void AnswerFile(const FileDescriptor* file,
                ServerReflectionResponse* response) {
  if (file == nullptr) {
    response->mutable_error_response()->set_error_code(grpc::NOT_FOUND);
    response->mutable_error_response()->set_error_message("there is none");
    return;
  }
  std::unordered_set<std::string> seen;
  AddFile(*file, &seen, response->mutable_file_descriptor_response());
}

const FileDescriptor* FileOfExtension(
    const DescriptorPool& pool,
    const reflection_api::ExtensionRequest& extension) {
  const Descriptor* const type =
      pool.FindMessageTypeByName(extension.containing_type());
  const FieldDescriptor* const field =
      type == nullptr
          ? nullptr
          : pool.FindExtensionByNumber(type, extension.extension_number());
  return field == nullptr ? nullptr : field->file();
}

void AnswerExtensions(const DescriptorPool& pool, const std::string& name,
                      ServerReflectionResponse* response) {
  const Descriptor* const type = pool.FindMessageTypeByName(name);
  if (type == nullptr) {
    AnswerFile(nullptr, response);
    return;
  }
  auto* const numbers = response->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(name);
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(type, &extensions);
  for (const FieldDescriptor* extension : extensions) {
    numbers->add_extension_number(extension->number());
  }
}

// Deletes itself when gRPC is done with it.
class ReflectionStream final
    : public grpc::ServerBidiReactor<ServerReflectionRequest,
                                     ServerReflectionResponse> {
 public:
  ReflectionStream(const CallEnvironment& environment,
                   grpc::CallbackServerContext* context)
      : stall_(environment.stalls,
               [context, stalls = environment.stalls] {
                 CutOff(context, SlowClientError("sent", stalls->timeout()));
               }),
        open_(environment.open_calls,
              PeerAddressOf(std::string_view(context->peer())), &stall_) {
    absl::Status room = open_.Hold(kOpenCallBytes);
    if (room.ok()) {
      environment.admission->EnterLater(
          CallKind::kWaiting, {},
          [&room](const absl::StatusOr<CallAdmission::Permit>& permit) {
            room = permit.status();
          });
    }
    if (!room.ok()) {
      Finish(ToGrpcStatus(room));
      return;
    }
    open_.AwaitClient();
    AwaitRequest();
  }

  void OnReadDone(bool ok) override {
    stall_.EndWait();
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    response_ = Reflect(request_);
    if (const absl::Status room =
            open_.Hold(kOpenCallBytes + response_.ByteSizeLong());
        !room.ok()) {
      Finish(ToGrpcStatus(room));
      return;
    }
    stall_.BeginWait();
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    stall_.EndWait();
    if (!ok) {
      Finish(grpc::Status::CANCELLED);
      return;
    }
    AwaitRequest();
  }

  void OnDone() override { delete this; }

 private:
  void AwaitRequest() {
    stall_.BeginWait();
    StartRead(&request_);
  }

  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
  StallWatch::Call stall_;
  OpenCalls::Call open_;
};

}  // namespace

ServerReflectionResponse Reflect(const ServerReflectionRequest& request) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(pool.FindFileByName(request.file_by_filename()), &response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(
          pool.FindFileContainingSymbol(request.file_containing_symbol()),
          &response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerFile(FileOfExtension(pool, request.file_containing_extension()),
                 &response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      AnswerExtensions(pool, request.all_extension_numbers_of_type(),
                       &response);
      break;
    case ServerReflectionRequest::kListServices:
      for (const char* name : kServices) {
        response.mutable_list_services_response()->add_service()->set_name(
            name);
      }
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(grpc::UNIMPLEMENTED);
      break;
  }
  return response;
}

grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>*
ReflectionService::ServerReflectionInfo(grpc::CallbackServerContext* context) {
  return new ReflectionStream(environment_, context);
}

}  // namespace qstore::server
