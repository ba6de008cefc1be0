#include "client/admin.h"

#include "absl/strings/str_cat.h"
#include "base/byte_format.h"
#include "client/rpc_status.h"
#include "client/text_table.h"
#include "qstore/v1/admin.grpc.pb.h"

namespace qstore::client {
namespace {

template <typename Method, typename Request, typename Response>
absl::Status CallAdmin(Connection* connection, const Method& method,
                       const Request& request, Cancellation* cancellation,
                       Response* response) {
  const auto stub = v1::Admin::NewStub(connection->channel());
  grpc::ClientContext context;
  const Cancellation::Scope cancel(cancellation,
                                   [&context] { context.TryCancel(); });
  return FromGrpcStatus(((*stub).*method)(&context, request, response),
                        connection->server());
}

}  // namespace

absl::StatusOr<v1::CreateBackupResponse> CreateBackup(
    Connection* connection, const std::string& name,
    Cancellation* cancellation) {
  v1::CreateBackupRequest request;
  request.set_name(name);
  v1::CreateBackupResponse response;
  absl::Status status = CallAdmin(connection, &v1::Admin::Stub::CreateBackup,
                                  request, cancellation, &response);
  if (!status.ok()) return status;
  return response;
}

nlohmann::ordered_json ToJson(const v1::CreateBackupResponse& response) {
  return {{"path", response.path()}, {"bytes", response.size_bytes()}};
}

std::string DescribeBackup(const std::string& name,
                           const v1::CreateBackupResponse& response) {
  return absl::StrCat("made backup ", name, ": ",
                      FormatBytes(response.size_bytes()), " in ",
                      Printable(response.path()), " on the server\n");
}

}  // namespace qstore::client
