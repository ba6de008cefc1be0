#include "server/process/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace qstore::server {
namespace {

// What RocksDB keeps open of tables where there is enough.
constexpr uint64_t kMostOpenTables = 512;
// Logs, locks, sockets to listen on, tables that uploads, backups and merges
// are writing.
constexpr uint64_t kOtherDescriptors = 96;

}  // namespace

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
  if (limit.rlim_cur < wanted) {
    const rlimit raised = {wanted, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  }
  return limit.rlim_cur;
}

int MaxOpenTables(uint64_t descriptors) {
  return static_cast<int>(std::min(kMostOpenTables, descriptors / 4));
}

uint64_t MaxConnections(uint64_t descriptors) {
  const uint64_t others =
      kOtherDescriptors + static_cast<uint64_t>(MaxOpenTables(descriptors));
  return descriptors > others ? descriptors - others : 1;
}

}  // namespace qstore::server
