#include "server/limits/memory_plan.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <type_traits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/object.h"
#include "server/upload/chunk_work.h"

namespace qstore::server {
namespace {

// What flags count in: MiB.
constexpr uint64_t kMemoryUnitBytes = 1u << 20;

// The program, threads and their stacks, RocksDB's filters and indexes of open
// tables.
constexpr uint64_t kProcessBytes = 40 * kMemoryUnitBytes;
// However little memory there is, so much is for connections and for answers.
constexpr uint64_t kLeastConnectionBytes = 16 * kMemoryUnitBytes;
constexpr uint64_t kLeastAnswerBytes = 4 * kMemoryUnitBytes;
// Decoder (tests/codec/chunk_memory_test.cc) and the decoded chunk.
constexpr uint64_t kDecoderBytes = (24 + 20) * kMemoryUnitBytes;
constexpr uint64_t kCodecBytes = 64 * kMemoryUnitBytes + kDecoderBytes;
// Beside its chunks: a message as received and as parsed, the values that table
// writers hold, and an object that may yet turn out to be small.
constexpr uint64_t kUploadBytes = 32 * kMemoryUnitBytes;
// Encoded blobs that are not yet in a table, and what its writer holds.
constexpr uint64_t kParkedUploadBytes = 16 * kMemoryUnitBytes;
// All values of a chunk that did not become smaller.
constexpr uint64_t kMaxStoredChunkBytes =
    model::kMaxChunkRawBytes + kMemoryUnitBytes;
// The cache where no limit is set: what a daemon takes beside it stays below
// the rest of 1 GiB.
constexpr uint64_t kLeastBlockCacheBytes = 64 * kMemoryUnitBytes;
constexpr uint64_t kMostBlockCacheBytes = 512 * kMemoryUnitBytes;
// However little memory there is, so many downloads run at once.
constexpr uint64_t kLeastDownloads = 16;

uint64_t SlackBytes(uint64_t limit_bytes) { return limit_bytes / 16; }

uint64_t InMebibytes(uint64_t bytes) {
  return (bytes + kMemoryUnitBytes - 1) / kMemoryUnitBytes;
}

// Rounded to what a flag can say.
uint64_t WholeMebibytes(uint64_t bytes) {
  return bytes / kMemoryUnitBytes * kMemoryUnitBytes;
}

}  // namespace

uint32_t EncodeThreadCount(const ServerOptions& options) {
  if (options.threads != 0) return options.threads;
  return std::max(1u, std::thread::hardware_concurrency());
}

// Reads wait for the disk, so there are more of them than cores. Each holds a
// value.
uint32_t ReadThreadCount(const ServerOptions& options) {
  const uint32_t count = 2 * EncodeThreadCount(options);
  return options.memory_limit_bytes == 0 ? std::max(4u, count) : count;
}

uint64_t VerifyBytes(const ServerOptions& options) {
  return (EncodeThreadCount(options) + uint64_t{1}) * kMaxStoredChunkBytes;
}

std::vector<MemoryPart> PlanMemory(const ServerOptions& options) {
  const uint64_t threads = EncodeThreadCount(options);
  return {
      {"the process itself", kProcessBytes},
      {"connections (--connection-memory)", options.connection_memory_bytes},
      {"answers not yet taken (--answer-memory)", options.answer_memory_bytes},
      {"codecs (--threads)", threads * kCodecBytes},
      {"chunks of uploads (--ingest-memory)", options.ingest_memory_bytes},
      {"messages and tables of uploads (--max-uploads)",
       options.calls.uploads * kUploadBytes},
      {"uploads kept for their clients (--max-parked)",
       options.resume_window_seconds == 0
           ? 0
           : options.max_parked_uploads * kParkedUploadBytes},
      {"lists of tensors (--metadata-memory)", options.metadata_memory_bytes},
      {"values that downloads pin (--download-buffer)",
       options.download_buffer_bytes},
      {"a value that each download sends (--max-downloads)",
       options.calls.downloads * model::kMaxValueBytes},
      {"values being read (--threads)",
       ReadThreadCount(options) * model::kMaxValueBytes},
      {"chunks being verified (--threads)", VerifyBytes(options)},
      {"the background check (--scrub-interval)",
       options.scrub_interval_hours == 0
           ? 0
           : kDecoderBytes + kMaxStoredChunkBytes},
      {"RocksDB's cache (--block-cache)", options.block_cache_bytes},
  };
}

uint64_t PlannedBytes(const ServerOptions& options) {
  uint64_t bytes = 0;
  for (const MemoryPart& part : PlanMemory(options)) bytes += part.bytes;
  return bytes;
}

void ShareMemory(uint64_t limit_bytes, const IsGiven& given,
                 ServerOptions* options) {
  const ServerOptions defaults;
  const auto set = [&](const char* flag, auto* option, uint64_t value) {
    using Option = std::remove_reference_t<decltype(*option)>;
    if (!given(flag)) *option = static_cast<Option>(value);
  };
  const uint64_t fixed_bytes = kProcessBytes + SlackBytes(limit_bytes);
  const uint64_t usable_bytes =
      limit_bytes > fixed_bytes ? limit_bytes - fixed_bytes : 0;
  const uint64_t chunk_bytes =
      InMebibytes(kMaxChunkLeaseBytes) * kMemoryUnitBytes;
  options->memory_limit_bytes = limit_bytes;
  // A quarter for codecs, a quarter for uploads, at least one of either.
  set("--threads", &options->threads,
      std::clamp<uint64_t>(usable_bytes / 4 / kCodecBytes, 1,
                           EncodeThreadCount(defaults)));
  set("--max-uploads", &options->calls.uploads,
      std::clamp<uint64_t>(usable_bytes / 4 / (chunk_bytes + kUploadBytes), 1,
                           defaults.calls.uploads));
  set("--max-parked", &options->max_parked_uploads,
      std::clamp<uint64_t>(usable_bytes / 16 / kParkedUploadBytes, 1,
                           defaults.max_parked_uploads));
  const uint64_t least_ingest_bytes = options->calls.uploads * chunk_bytes;
  set("--ingest-memory", &options->ingest_memory_bytes, least_ingest_bytes);
  // An eighth for what downloads send at the least.
  set("--max-downloads", &options->calls.downloads,
      std::clamp<uint64_t>(usable_bytes / 8 / model::kMaxValueBytes,
                           kLeastDownloads, defaults.calls.downloads));
  set("--connection-memory", &options->connection_memory_bytes,
      kLeastConnectionBytes);
  set("--answer-memory", &options->answer_memory_bytes,
      WholeMebibytes(std::clamp(usable_bytes / 32, kLeastAnswerBytes,
                                defaults.answer_memory_bytes)));
  // What is left goes in equal parts to what makes things faster.
  set("--block-cache", &options->block_cache_bytes, kMemoryUnitBytes);
  set("--metadata-memory", &options->metadata_memory_bytes, kMemoryUnitBytes);
  set("--download-buffer", &options->download_buffer_bytes, 0);
  const auto left_bytes = [&] {
    const uint64_t planned_bytes =
        PlannedBytes(*options) + SlackBytes(limit_bytes);
    return limit_bytes > planned_bytes ? limit_bytes - planned_bytes : 0;
  };
  // gRPC cuts off calls, honest ones too, when it has too little.
  set("--connection-memory", &options->connection_memory_bytes,
      std::min(
          {WholeMebibytes(kLeastConnectionBytes + left_bytes() / 2),
           WholeMebibytes(std::max(kLeastConnectionBytes, usable_bytes / 8)),
           defaults.connection_memory_bytes}));
  const uint64_t quarter_bytes = WholeMebibytes(left_bytes() / 4);
  set("--metadata-memory", &options->metadata_memory_bytes,
      std::clamp(quarter_bytes, kMemoryUnitBytes,
                 defaults.metadata_memory_bytes));
  set("--download-buffer", &options->download_buffer_bytes,
      std::min(quarter_bytes, defaults.download_buffer_bytes));
  set("--ingest-memory", &options->ingest_memory_bytes,
      std::max(least_ingest_bytes, std::min(least_ingest_bytes + quarter_bytes,
                                            defaults.ingest_memory_bytes)));
  // The cache has no bound of its own, since all of it is of use: what the
  // others leave. It holds one unit of the sum already.
  set("--block-cache", &options->block_cache_bytes,
      kMemoryUnitBytes + WholeMebibytes(left_bytes()));
}

uint64_t DefaultBlockCacheBytes(uint64_t machine_bytes) {
  return std::clamp(WholeMebibytes(machine_bytes / 8), kLeastBlockCacheBytes,
                    kMostBlockCacheBytes);
}

uint64_t MachineMemoryBytes() {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page_bytes = sysconf(_SC_PAGESIZE);
  return pages <= 0 || page_bytes <= 0
             ? 0
             : static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
}

absl::Status CheckMemory(const ServerOptions& options) {
  const uint64_t limit_bytes = options.memory_limit_bytes;
  const uint64_t needed_bytes = PlannedBytes(options) + SlackBytes(limit_bytes);
  if (limit_bytes == 0 || needed_bytes <= limit_bytes) return absl::OkStatus();
  std::string parts;
  for (const MemoryPart& part : PlanMemory(options)) {
    absl::StrAppend(&parts, InMebibytes(part.bytes), " for ", part.what, ", ");
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--memory-limit is ", limit_bytes / kMemoryUnitBytes, " MiB, but ",
      InMebibytes(needed_bytes), " MiB are needed (", parts,
      InMebibytes(SlackBytes(limit_bytes)),
      " for the allocator's slack): raise it, or lower the flags that are set "
      "beside it"));
}

std::optional<uint64_t> CgroupMemoryLimit(
    const std::filesystem::path& own_cgroup,
    const std::filesystem::path& root) {
  std::ifstream file(own_cgroup);
  std::string line;
  // Version 2 has the one line "0::/path".
  while (std::getline(file, line) && !line.starts_with("0::/")) {
  }
  if (!line.starts_with("0::/")) return std::nullopt;
  std::optional<uint64_t> lowest;
  std::filesystem::path group = line.substr(4);
  while (true) {
    std::ifstream limit_file(root / group / "memory.max");
    std::string text;
    uint64_t bytes = 0;
    if (limit_file >> text && absl::SimpleAtoi(text, &bytes)) {
      lowest = std::min(bytes, lowest.value_or(bytes));
    }
    if (group.empty()) return lowest;
    group = group.parent_path();
  }
}

}  // namespace qstore::server
