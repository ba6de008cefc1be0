#include "server/calls/call_log.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/byte_format.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

// Faults of ours or of the disk, which an operator must see.
bool IsServerFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kUnknown;
}

}  // namespace

CallLog::CallLog(const char* method, std::string peer)
    : method_(method),
      peer_(std::move(peer)),
      begin_(std::chrono::steady_clock::now()) {}

grpc::Status CallLog::End(const absl::Status& status) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_)
          .count();
  if (status.ok()) {
    spdlog::info("{} {} from {}: OK, {} in {:.3f} s", method_, object_, peer_,
                 FormatBytes(bytes_), seconds);
  } else {
    spdlog::log(
        IsServerFault(status.code()) ? spdlog::level::err : spdlog::level::warn,
        "{} {} from {}: {} after {} in {:.3f} s", method_, object_, peer_,
        status.ToString(absl::StatusToStringMode::kWithNoExtraData),
        FormatBytes(bytes_), seconds);
  }
  return ToGrpcStatus(WithResource(status, object_));
}

}  // namespace qstore::server
