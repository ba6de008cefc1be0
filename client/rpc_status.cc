#include "client/rpc_status.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::client {

absl::Status FromGrpcStatus(const grpc::Status& status,
                            const std::string& server) {
  if (status.ok()) return absl::OkStatus();
  // absl took over gRPC's numbers; what is out of range becomes UNKNOWN.
  const int number = static_cast<int>(status.error_code());
  const auto code =
      number > 0 &&
              number <= static_cast<int>(absl::StatusCode::kUnauthenticated)
          ? static_cast<absl::StatusCode>(number)
          : absl::StatusCode::kUnknown;
  const std::string& text = status.error_message();
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return MakeStatus(
          code,
          absl::StrCat("qstored at ", server, " does not answer any more (",
                       text, "): see whether it still runs, then try again"));
    case absl::StatusCode::kUnimplemented:
      return MakeStatus(
          code,
          absl::StrCat("the server at ", server, " does not know this call (",
                       text, "): is it qstored, and of this version?"));
    default:
      break;
  }
  if (text.empty()) {
    return MakeStatus(code, absl::StrCat("qstored at ", server, " answered ",
                                         StatusCodeName(code),
                                         " and gave no reason: see its log"));
  }
  return MakeStatus(code, text);
}

std::string StartServerAdvice(const std::string& server) {
  return absl::StrCat("start it with `qstored --listen ", server,
                      " --data-dir DIR`, or name another one with --server "
                      "HOST:PORT or QSTORE_SERVER");
}

std::string StatusCodeName(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

}  // namespace qstore::client
