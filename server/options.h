// Everything that can be configured about the daemon. docs/operations.md lists
// the flags and what they bound.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/limits/call_admission.h"
#include "server/limits/quotas.h"
#include "server/upload/ingest_resources.h"

namespace qstore::server {

struct ServerOptions {
  std::string listen = "127.0.0.1:7350";  // port 0: any free port
  std::string data_dir;
  std::string engine = "rocksdb";
  std::string backup_dir;  // empty: no backups
  uint32_t threads = 0;    // 0: one per core
  // 0: the options below stand as they are (server/limits/memory_plan.h).
  uint64_t memory_limit_bytes = 0;
  uint64_t ingest_memory_bytes = 384ull << 20;     // chunks of all uploads
  uint64_t metadata_memory_bytes = 1024ull << 20;  // lists of tensors
  CallAdmission::Limits calls;
  // Past it quiet ones end (server/connections/connection_table.h).
  size_t max_connections = 1024;
  int max_open_tables = 512;
  // Answers that clients have not taken, and calls that are open.
  uint64_t answer_memory_bytes = 64ull << 20;
  // gRPC's, of all connections: what arrives, what calls take of it.
  uint64_t connection_memory_bytes = 128ull << 20;
  uint64_t download_buffer_bytes = 256ull << 20;  // pinned by all downloads
  uint64_t block_cache_bytes = 64ull << 20;
  uint32_t grace_seconds = 30;
  uint64_t scrub_bytes_per_second = 16ull << 20;
  uint32_t scrub_interval_hours = 168;   // 0: no scrub
  uint32_t stall_timeout_seconds = 300;  // 0: clients may stall for ever
  // None: what DiskReserve takes by default.
  std::optional<uint64_t> disk_reserve_bytes;
  std::vector<QuotaLimit> quotas;
  uint32_t resume_window_seconds = 3600;  // 0: no upload can be gone on with
  size_t max_parked_uploads = 8;
  uint64_t checkpoint_bytes = 64ull << 20;  // of an upload, between two
  std::string log_level = "info";
  std::string log_format = "text";
  bool verify_ingest = true;
  IngestLimits ingest_limits;
};

// What the command line asks for.
struct ServeCommand {
  ServerOptions options;
  // What an operator should know of them; for the log.
  std::vector<std::string> notes;
};
struct HealthCheckCommand {
  std::string address;  // HOST:PORT
};
// Text for stdout (help, version), or one sentence for stderr.
struct ExitCommand {
  int exit_code = 0;
  std::string text;
};
using Command = std::variant<ServeCommand, HealthCheckCommand, ExitCommand>;

// The settings that are in effect, for the first line of the log.
std::string DescribeOptions(const ServerOptions& options);

// Every flag --some-name can be given as QSTORE_SOME_NAME; flags win.
Command ParseCommandLine(int argc, const char* const* argv);

}  // namespace qstore::server
