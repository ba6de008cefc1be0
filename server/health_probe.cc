#include "server/health_probe.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace qstore::server {
namespace {

constexpr char kCheckMethod[] = "/grpc.health.v1.Health/Check";
// HealthCheckResponse{status = SERVING}: field 1, varint 1. The messages are
// too small to carry their generated code along.
constexpr char kServingResponse[] = "\x08\x01";
// HealthCheckRequest{service = "qstore.v1.ModelStore.writes"}: field 1, 27
// bytes.
constexpr char kWritesRequest[] = "\x0a\x1bqstore.v1.ModelStore.writes";
static_assert(sizeof(kWritesRequest) == 2 + 27 + 1);
constexpr auto kTimeout = std::chrono::seconds(5);

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// A proxy that the environment names, as Docker sets it in every container, is
// meant for others: the daemon is asked itself.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::pair<grpc::Status, std::string> Check(
    const std::shared_ptr<grpc::Channel>& channel, const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  const grpc::Slice slice{request};
  const grpc::ByteBuffer message(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  grpc::CompletionQueue queue;
  auto call = stub.PrepareUnaryCall(&context, kCheckMethod, message, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return {status, ToString(response)};
}

}  // namespace

absl::Status ProbeHealth(const std::string& address) {
  const std::shared_ptr<grpc::Channel> channel = OpenChannel(address);
  const auto [status, response] = Check(channel, "");
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat("no daemon answers at ", address,
                                               ": ", status.error_message()));
  }
  if (response != kServingResponse) {
    return absl::UnavailableError(
        absl::StrCat("the daemon at ", address, " is not serving"));
  }
  // Whoever does not know the name has nothing to say about writes.
  const auto [writes_status, writes] = Check(channel, kWritesRequest);
  if (writes_status.ok() && writes != kServingResponse) {
    return absl::UnavailableError(absl::StrCat(
        "the daemon at ", address,
        " serves reads and takes no writes: its log says why; make room on its "
        "disk or see to it"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
