// What the daemon's memory goes to, at most, by its options;
// docs/operations.md, "Memory", has the same table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/options.h"

namespace qstore::server {

struct MemoryPart {
  std::string what;  // with the flag that sets it
  uint64_t bytes = 0;
};

// Their sum bounds the daemon's memory, beside an allocator's slack of one
// sixteenth.
std::vector<MemoryPart> PlanMemory(const ServerOptions& options);
uint64_t PlannedBytes(const ServerOptions& options);

// Gives every option that takes memory and was not `given` (asked with the
// flag, "--threads") its share of `limit_bytes`, never more than its default;
// RocksDB's cache has what is left.
// Where none was given CheckMemory says OK of the result from
// kMinMemoryLimitBytes on, for any number of cores.
inline constexpr uint64_t kMinMemoryLimitBytes = 448u << 20;
using IsGiven = std::function<bool(const char* flag)>;
void ShareMemory(uint64_t limit_bytes, const IsGiven& given,
                 ServerOptions* options);

// RocksDB's cache where there is no limit: an eighth of the machine's memory,
// from 64 to 512 MiB.
uint64_t DefaultBlockCacheBytes(uint64_t machine_bytes);
// 0 when the system does not tell.
uint64_t MachineMemoryBytes();

// INVALID_ARGUMENT when what the options allow does not fit
// options.memory_limit_bytes (0: anything fits): names the parts, and what to
// lower.
absl::Status CheckMemory(const ServerOptions& options);

// Threads that encode, and threads that read for downloads.
uint32_t EncodeThreadCount(const ServerOptions& options);
uint32_t ReadThreadCount(const ServerOptions& options);
// What chunks that are being verified may take together.
uint64_t VerifyBytes(const ServerOptions& options);

// memory.max of this process's cgroup (version 2) or of one above it, the
// lowest; none without one. The paths are for tests.
std::optional<uint64_t> CgroupMemoryLimit(
    const std::filesystem::path& own_cgroup = "/proc/self/cgroup",
    const std::filesystem::path& root = "/sys/fs/cgroup");

}  // namespace qstore::server
