// What all calls together were and took, by method and code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/calls/call_method.h"

namespace qstore::server {

struct CallTotals {
  uint64_t call_count = 0;
  uint64_t payload_bytes = 0;  // of models, sent or received
  double seconds = 0;          // waiting for their turn included
};

// Thread-safe; outlives the calls.
class CallCounts {
 public:
  // A call ended.
  void Add(const CallMethod& method, absl::StatusCode code,
           uint64_t payload_bytes, double seconds);

  using Totals = std::map<std::pair<std::string, absl::StatusCode>, CallTotals>;
  Totals totals() const;

  // "Delete OK: 3 calls, 0 B, 0.012 s; Upload CANCELLED: ..."; empty when there
  // were none.
  std::string Summary() const;

 private:
  mutable absl::Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::server
