// Who may call what. Today everybody may call everything: the place is kept for
// what is to come.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/calls/call_method.h"

namespace qstore::server {

// Thread-safe; outlives the calls.
class Rights {
 public:
  virtual ~Rights() = default;
  // OK, or PERMISSION_DENIED or UNAUTHENTICATED, with which the call then ends
  // before it has done anything. `model` is a valid name, or empty for a call
  // that is not about one model.
  virtual absl::Status Check(const CallMethod& method,
                             const std::string& model) const = 0;
};

class AllowAll final : public Rights {
 public:
  absl::Status Check(const CallMethod& /*method*/,
                     const std::string& /*model*/) const override {
    return absl::OkStatus();
  }
};

}  // namespace qstore::server
