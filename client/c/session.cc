#include "client/c/session.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "client/c/cancellation.h"
#include "client/c/guard.h"

namespace qstore::client::c {

absl::StatusOr<ModelReference> ReadReference(const char* reference) {
  if (reference == nullptr) return NullArgument("reference");
  return ParseModelReference(reference);
}

absl::Status CheckStructSize(const char* name, size_t given, size_t expected) {
  // A newer header has more members, which this library does not know.
  if (given >= expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ".struct_size is ", given, ", but ", name, " has ",
                   expected, " bytes: set it to sizeof(", name, ")"));
}

namespace {

absl::StatusOr<SessionOptions> ReadOptions(
    const char* server, const qstore_session_options* given) {
  SessionOptions options;
  options.server = server;
  if (given == nullptr) return options;
  QSTORE_RETURN_IF_ERROR(CheckStructSize("qstore_session_options",
                                         given->struct_size, sizeof(*given)));
  if (given->connect_timeout_seconds < 0) {
    return absl::InvalidArgumentError("connect_timeout_seconds is negative");
  }
  if (given->connect_timeout_seconds > 0) {
    options.connect_timeout_seconds = given->connect_timeout_seconds;
  }
  if (given->retry_seconds != 0) {
    options.retry_seconds = given->retry_seconds < 0 ? 0 : given->retry_seconds;
  }
  return options;
}

}  // namespace
}  // namespace qstore::client::c

// NOLINTBEGIN(readability-identifier-naming): C's names.

qstore_code qstore_session_open(const char* server,
                                const qstore_session_options* options,
                                qstore_session** session,
                                qstore_error** error) {
  using namespace qstore::client;     // NOLINT(google-build-using-namespace)
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return NullArgument("session");
    if (server == nullptr) return NullArgument("server");
    QSTORE_ASSIGN_OR_RETURN(SessionOptions read, ReadOptions(server, options));
    auto opened = std::make_unique<qstore_session>(std::move(read));
    CallOptions call;
    if (options != nullptr && options->cancellation != nullptr) {
      call.cancellation = &options->cancellation->cancellation;
    }
    QSTORE_RETURN_IF_ERROR(opened->session.Connect(call));
    *session = opened.release();
    return absl::OkStatus();
  });
}

void qstore_session_close(qstore_session* session) { delete session; }

// NOLINTEND(readability-identifier-naming)
