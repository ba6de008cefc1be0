// Reflection: what the API has, for grpcurl and its like.
//
// gRPC's own service (1.51) keeps a thread for each stream for as long as a
// client likes. These streams have none, and end like other calls when nothing
// comes or when room is needed.
#pragma once

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "server/calls/call_frame.h"

namespace qstore::server {

namespace reflection_api = ::grpc::reflection::v1alpha;

// Of what this program has generated code for. Pure.
reflection_api::ServerReflectionResponse Reflect(
    const reflection_api::ServerReflectionRequest& request);

class ReflectionService final
    : public reflection_api::ServerReflection::CallbackService {
 public:
  // Outlives the service.
  explicit ReflectionService(const CallEnvironment& environment)
      : environment_(environment) {}

  grpc::ServerBidiReactor<reflection_api::ServerReflectionRequest,
                          reflection_api::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const CallEnvironment environment_;
};

}  // namespace qstore::server
