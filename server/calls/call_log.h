// One line per call, when it ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace qstore::server {

class CallLog {
 public:
  // `peer` as gRPC names it.
  CallLog(const char* method, std::string peer);

  // "org/name:tag".
  void set_object(std::string object) { object_ = std::move(object); }
  void add_bytes(uint64_t bytes) { bytes_ += bytes; }

  // Logs the call and gives its status to gRPC: with the object's name as
  // google.rpc.ResourceInfo. Call once.
  grpc::Status End(const absl::Status& status);

 private:
  const char* const method_;
  const std::string peer_;
  const std::chrono::steady_clock::time_point begin_;
  std::string object_;
  uint64_t bytes_ = 0;
};

}  // namespace qstore::server
