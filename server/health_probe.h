// Asks a daemon for its health, for container health checks.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace qstore::server {

// OK when the daemon at `address` (HOST:PORT) answers SERVING to
// grpc.health.v1.Health/Check within five seconds, for itself and for writes
// alone (docs/operations.md, "Health").
absl::Status ProbeHealth(const std::string& address);

}  // namespace qstore::server
