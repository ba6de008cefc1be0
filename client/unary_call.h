// One call with one answer.
#pragma once

#include "absl/status/status.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/rpc_status.h"

namespace qstore::client {

// Calls `method` of `stub`, a stub of a service behind `connection`, which
// stands; an interrupt ends the call.
template <typename Stub, typename Method, typename Request, typename Response>
absl::Status CallOnce(const Connection& connection, Stub* stub,
                      const Method& method, const Request& request,
                      Cancellation* cancellation, Response* response) {
  grpc::ClientContext context;
  const Cancellation::Scope cancel(cancellation,
                                   [&context] { context.TryCancel(); });
  return FromGrpcStatus((stub->*method)(&context, request, response),
                        connection.server());
}

}  // namespace qstore::client
