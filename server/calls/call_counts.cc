#include "server/calls/call_counts.h"

#include "absl/strings/str_format.h"
#include "base/text/byte_format.h"

namespace qstore::server {

void CallCounts::Add(const CallMethod& method, absl::StatusCode code,
                     uint64_t payload_bytes, double seconds) {
  const absl::MutexLock lock(&mutex_);
  CallTotals& totals = totals_[{method.name, code}];
  ++totals.call_count;
  totals.payload_bytes += payload_bytes;
  totals.seconds += seconds;
}

CallCounts::Totals CallCounts::totals() const {
  const absl::MutexLock lock(&mutex_);
  return totals_;
}

std::string CallCounts::Summary() const {
  std::string summary;
  for (const auto& [key, sum] : totals()) {
    absl::StrAppendFormat(&summary, "%s%s %s: %d calls, %s, %.3f s",
                          summary.empty() ? "" : "; ", key.first,
                          absl::StatusCodeToString(key.second), sum.call_count,
                          FormatBytes(sum.payload_bytes), sum.seconds);
  }
  return summary;
}

}  // namespace qstore::server
