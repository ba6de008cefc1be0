// The name of one call, by which its line in the log is found again.
#pragma once

#include <string>
#include <string_view>

#include "grpcpp/server_context.h"

namespace qstore::server {

// The metadata in which a client may give it, and in which it is answered.
inline constexpr char kRequestIdKey[] = "x-request-id";
inline constexpr size_t kMaxRequestIdBytes = 64;

// 1 to kMaxRequestIdBytes letters, digits, '.', '_' and '-': what can be
// written to a log as it is.
bool IsRequestId(std::string_view text);

// The client's, when it gave one that is fit to use; else 16 hexadecimal digits
// made here.
std::string RequestIdOf(const grpc::ServerContextBase& context);

}  // namespace qstore::server
