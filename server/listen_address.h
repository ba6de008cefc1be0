// Whether the address is one that can be listened on, in words for whoever
// started the daemon: gRPC does not say why it cannot.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace qstore::server {

// INVALID_ARGUMENT: not HOST:PORT. UNAVAILABLE: with the reason of the system
// (taken, not permitted, no such address). Tries, and lets go of the port.
absl::Status CheckCanListen(const std::string& listen);

}  // namespace qstore::server
