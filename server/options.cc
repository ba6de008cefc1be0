#include "server/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/engines.h"
#include "server/limits/memory_plan.h"
#include "server/version.h"

namespace qstore::server {
namespace {

constexpr uint64_t kMebibyte = 1u << 20;

// "--ingest-memory" -> "QSTORE_INGEST_MEMORY"
std::string EnvironmentName(const std::string& flag) {
  std::string name = "QSTORE_";
  for (const char c : flag.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  }
  return name;
}

// Flags in mebibytes, options in bytes.
struct MebibyteFlags {
  uint64_t ingest_memory = 0;
  uint64_t download_buffer = 0;
  uint64_t block_cache = 0;
  uint64_t max_header = 0;
  uint64_t scrub_rate = 0;
  uint64_t metadata_memory = 0;
  uint64_t memory_limit = 0;
  std::optional<uint64_t> disk_reserve;

  explicit MebibyteFlags(const ServerOptions& options)
      : ingest_memory(options.ingest_memory_bytes / kMebibyte),
        download_buffer(options.download_buffer_bytes / kMebibyte),
        block_cache(options.block_cache_bytes / kMebibyte),
        max_header(options.ingest_limits.max_safetensors_header_bytes /
                   kMebibyte),
        scrub_rate(options.scrub_bytes_per_second / kMebibyte),
        metadata_memory(options.metadata_memory_bytes / kMebibyte) {}
  void CopyTo(ServerOptions* options) const {
    options->ingest_memory_bytes = ingest_memory * kMebibyte;
    options->download_buffer_bytes = download_buffer * kMebibyte;
    options->block_cache_bytes = block_cache * kMebibyte;
    options->metadata_memory_bytes = metadata_memory * kMebibyte;
    if (disk_reserve.has_value()) {
      options->disk_reserve_bytes = *disk_reserve * kMebibyte;
    }
    options->ingest_limits.max_safetensors_header_bytes =
        max_header * kMebibyte;
    options->scrub_bytes_per_second = scrub_rate * kMebibyte;
  }
};

class FlagParser {
 public:
  explicit FlagParser(CLI::App* app) : app_(app) {}

  template <typename T>
  CLI::Option* Add(const std::string& flag, T* value,
                   const std::string& description) {
    return app_->add_option(flag, *value, description)
        ->envname(EnvironmentName(flag))
        ->capture_default_str();
  }

 private:
  CLI::App* app_;
};

void AddServingFlags(FlagParser& flags, ServerOptions* options) {
  flags.Add("--listen", &options->listen,
            "HOST:PORT to serve on; port 0 takes a free one");
  flags.Add("--data-dir", &options->data_dir,
            "Directory of the store, created if absent");
  flags.Add("--backup-dir", &options->backup_dir,
            "Directory in which backups may be made, created if absent");
  flags.Add("--engine", &options->engine, "Storage engine: " + EngineNames());
  flags
      .Add("--grace", &options->grace_seconds,
           "Seconds that running calls get to finish after SIGTERM")
      ->check(CLI::Range(0, 86'400));
  flags
      .Add("--log-level", &options->log_level,
           "trace, debug, info, warning, error or off")
      ->check(
          CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
}

void AddWorkFlags(FlagParser& flags, ServerOptions* options) {
  flags
      .Add("--threads", &options->threads,
           "Threads that encode and check; 0: one per core")
      ->check(CLI::Range(0, 1024));
  flags.Add("--max-uploads", &options->calls.uploads, "Uploads at once")
      ->check(CLI::Range(1, 1024));
  flags.Add("--max-downloads", &options->calls.downloads, "Downloads at once")
      ->check(CLI::Range(1, 65'536));
  flags
      .Add("--max-verifies", &options->calls.verifies, "Verifications at once")
      ->check(CLI::Range(1, 1024));
  flags
      .Add("--max-threads", &options->max_rpc_threads,
           "Threads of gRPC, one per call that is not a download; 0: what the "
           "other limits need")
      ->check(CLI::Range(0, 65'536));
}

void AddWaitingFlags(FlagParser& flags, ServerOptions* options,
                     uint32_t* queue_timeout_seconds) {
  flags
      .Add("--max-queued", &options->calls.queued,
           "Uploads, downloads, verifications that wait for a place, of each")
      ->check(CLI::Range(0, 65'536));
  flags
      .Add("--queue-timeout", queue_timeout_seconds,
           "Seconds that a call waits for a place")
      ->check(CLI::Range(0, 86'400));
  flags
      .Add("--stall-timeout", &options->stall_timeout_seconds,
           "Seconds after which a call is cancelled whose client neither sends "
           "nor takes anything; 0: never")
      ->check(CLI::Range(0, 86'400));
}

void AddResumeFlags(FlagParser& flags, ServerOptions* options) {
  flags
      .Add("--resume-window", &options->resume_window_seconds,
           "Seconds for which an interrupted upload is kept; 0: not at all")
      ->check(CLI::Range(0, 7 * 86'400));
  flags
      .Add("--max-parked", &options->max_parked_uploads,
           "Interrupted uploads that are kept; past it the oldest goes")
      ->check(CLI::Range(1, 1024));
}

void AddMemoryFlags(FlagParser& flags, MebibyteFlags* mebibytes) {
  flags
      .Add("--ingest-memory", &mebibytes->ingest_memory,
           "MiB for the chunks in flight of all uploads")
      ->check(CLI::Range(1, 1 << 20));
  flags
      .Add("--download-buffer", &mebibytes->download_buffer,
           "MiB of stored values past which downloads stop reading ahead")
      ->check(CLI::Range(0, 1 << 20));
  flags.Add("--block-cache", &mebibytes->block_cache, "MiB of RocksDB's cache")
      ->check(CLI::Range(1, 1 << 20));
  flags
      .Add("--max-header", &mebibytes->max_header,
           "MiB that a safetensors header may have")
      ->check(CLI::Range(1, 95));
  flags
      .Add("--metadata-memory", &mebibytes->metadata_memory,
           "MiB for the lists of tensors of all calls")
      ->check(CLI::Range(1, 1 << 20));
  flags
      .Add("--memory-limit", &mebibytes->memory_limit,
           "MiB for everything: sets what is not given of the above, and the "
           "numbers of threads, uploads and downloads; 0: no limit, or that of "
           "the cgroup")
      ->check(CLI::Range(0, 1 << 24));
}

void AddSpaceFlags(FlagParser& flags, MebibyteFlags* mebibytes,
                   std::vector<std::string>* quotas) {
  flags.Add("--disk-reserve", &mebibytes->disk_reserve,
            "MiB of the disk that uploads leave free; default: 5 % of it, at "
            "most 1024");
  flags
      .Add("--quota", quotas,
           "PREFIX=SIZE: models whose names begin with PREFIX take at most "
           "SIZE (KiB, MiB, GiB, TiB); may be repeated, commas separate")
      ->delimiter(',');
}

// What the daemon may take, and how that fits what it may have.
absl::Status LimitMemory(const CLI::App& app, uint64_t given_limit_bytes,
                         ServeCommand* command) {
  ServerOptions& options = command->options;
  const auto given = [&app](const char* flag) {
    return app.get_option(flag)->count() > 0;
  };
  if (given_limit_bytes > 0) {
    ShareMemory(given_limit_bytes, given, &options);
    return CheckMemory(options);
  }
  // Not asked for, so nothing is refused for it. An eighth is left for what
  // the kernel counts beside a process: page cache in use, sockets.
  const std::optional<uint64_t> cgroup_bytes = CgroupMemoryLimit();
  if (!cgroup_bytes.has_value()) return absl::OkStatus();
  ShareMemory(*cgroup_bytes - *cgroup_bytes / 8, given, &options);
  command->notes.push_back(
      absl::StrCat("the cgroup allows ", *cgroup_bytes / kMebibyte,
                   " MiB; without --memory-limit the daemon keeps to ",
                   options.memory_limit_bytes / kMebibyte, " MiB of them"));
  if (const absl::Status fits = CheckMemory(options); !fits.ok()) {
    command->notes.push_back(std::string(fits.message()));
  }
  return absl::OkStatus();
}

void AddScrubFlags(FlagParser& flags, MebibyteFlags* mebibytes,
                   ServerOptions* options) {
  flags
      .Add("--scrub-interval", &options->scrub_interval_hours,
           "Hours from one check of everything stored to the next; 0: none")
      ->check(CLI::Range(0, 87'600));
  flags
      .Add("--scrub-rate", &mebibytes->scrub_rate,
           "MiB a second that the check reads at most")
      ->check(CLI::Range(1, 1 << 20));
}

ExitCommand Fail(const std::string& sentence) {
  return {1, absl::StrCat("qstored: ", sentence)};
}

}  // namespace

Command ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app("QStore daemon: stores models once, serves both precisions",
               "qstored");
  ServeCommand command;
  ServerOptions& options = command.options;
  MebibyteFlags mebibytes(options);
  uint32_t queue_timeout_seconds = 30;
  std::vector<std::string> quotas;
  std::string verify_ingest = "on";
  std::string health_check;
  FlagParser flags(&app);
  AddServingFlags(flags, &options);
  AddWorkFlags(flags, &options);
  AddWaitingFlags(flags, &options, &queue_timeout_seconds);
  AddResumeFlags(flags, &options);
  AddMemoryFlags(flags, &mebibytes);
  AddScrubFlags(flags, &mebibytes, &options);
  AddSpaceFlags(flags, &mebibytes, &quotas);
  flags
      .Add("--verify-ingest", &verify_ingest,
           "Decode and compare every chunk before it is stored: on or off")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--health-check", health_check,
                 "Ask the daemon at HOST:PORT whether it serves; exit 0 or 1")
      ->type_name("HOST:PORT");
  app.set_version_flag("--version", absl::StrCat("qstored ", kVersion));

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // help or version
    std::ostringstream text;
    app.exit(success, text, text);
    return ExitCommand{0, text.str()};
  } catch (const CLI::ParseError& error) {
    return Fail(absl::StrCat(error.what(), " (see qstored --help)"));
  }
  if (!health_check.empty()) return HealthCheckCommand{health_check};
  if (options.data_dir.empty()) {
    return Fail("--data-dir is missing: name the directory of the store");
  }
  mebibytes.CopyTo(&options);
  options.verify_ingest = verify_ingest == "on";
  options.calls.queue_timeout = std::chrono::seconds(queue_timeout_seconds);
  for (const std::string& text : quotas) {
    auto quota = ParseQuota(text);
    if (!quota.ok()) return Fail(std::string(quota.status().message()));
    options.quotas.push_back(*std::move(quota));
  }
  const absl::Status fits =
      LimitMemory(app, mebibytes.memory_limit * kMebibyte, &command);
  if (!fits.ok()) return Fail(std::string(fits.message()));
  return command;
}

}  // namespace qstore::server
