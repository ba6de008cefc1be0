#include "cli/advice.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/text/host_port.h"

namespace qstore::cli {
namespace {

// With what goes between it and the sentence; empty: nothing to add.
std::string AdviceFor(const std::string& reason, const std::string& server) {
  if (reason == kReasonUnreachable) {
    const auto address = ParseHostPort(server);
    return absl::StrCat(
        address.ok() && address->is_loopback()
            ? absl::StrCat(": start it with `qstored --listen ", server,
                           " --data-dir DIR`, or")
            : std::string(": see whether it runs there, or"),
        " name another one with --server HOST:PORT or QSTORE_SERVER");
  }
  if (reason == kReasonNoInt8) {
    return " (upload --dry-run tells why); use --precision original, or "
           "--allow-original to have it where there is no INT8";
  }
  if (reason == kReasonOtherPrecision) {
    return " (--precision)";
  }
  if (reason == kReasonAccident) {
    return ", or upload it as it is with --force";
  }
  return "";
}

}  // namespace

std::string ErrorForPeople(const absl::Status& error,
                           const std::string& server) {
  return absl::StrCat(std::string(error.message()),
                      AdviceFor(ReasonOf(error), server));
}

}  // namespace qstore::cli
