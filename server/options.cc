#include "server/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "base/refused_variables.h"
#include "server/byte_size.h"
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

// Less than a mebibyte is a number whose unit was forgotten.
constexpr uint64_t kMostBytes = kMebibyte << 24;
constexpr ByteSizeRange kMemoryRange{.least_bytes = kMebibyte,
                                     .most_bytes = kMostBytes};
constexpr ByteSizeRange kMemoryOrNoneRange{
    .least_bytes = kMebibyte, .most_bytes = kMostBytes, .allow_zero = true};
// A few messages.
constexpr ByteSizeRange kConnectionMemoryRange{.least_bytes = 8 * kMebibyte,
                                               .most_bytes = kMostBytes};
constexpr ByteSizeRange kHeaderRange{.least_bytes = kMebibyte,
                                     .most_bytes = 95 * kMebibyte};

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

  // `bytes`: uint64_t, or an optional one.
  template <typename T>
  CLI::Option* AddSize(const std::string& flag, T* bytes,
                       const ByteSizeRange& range,
                       const std::string& description) {
    CLI::Option* option =
        Add(flag, bytes, description)
            ->transform(CLI::Validator(
                [range](std::string& text) {
                  const auto size = ParseByteSize(text, range);
                  if (!size.ok()) return std::string(size.status().message());
                  text = absl::StrCat(*size);
                  return std::string();
                },
                /*validator_desc=*/""))
            ->type_name("SIZE");
    if constexpr (std::is_same_v<T, uint64_t>) {
      option->default_str(ByteSizeText(*bytes));
    }
    return option;
  }

 private:
  CLI::App* app_;
};

// "90", "90s", "5m", "2h": of seconds.
CLI::AsNumberWithUnit AsSeconds() {
  return CLI::AsNumberWithUnit(
      std::map<std::string, uint32_t>{{"s", 1}, {"m", 60}, {"h", 3600}});
}

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
      ->transform(AsSeconds())
      ->check(CLI::Range(0, 86'400));
  flags
      .Add("--log-level", &options->log_level,
           "trace, debug, info, warning, error or off")
      ->check(
          CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
  flags
      .Add("--log-format", &options->log_format,
           "text, or json: one document a line")
      ->check(CLI::IsMember({"text", "json"}));
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
      .Add("--max-connections", &options->max_connections,
           "Connections at once; past it the quiet ones of the address with "
           "the most end")
      ->check(CLI::Range(1, 1'000'000));
  flags
      .Add("--max-short-calls", &options->calls.short_calls,
           "Other calls (list, show, tag, delete, backup) at work at once")
      ->check(CLI::Range(1, 1024));
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
      ->transform(AsSeconds())
      ->check(CLI::Range(0, 86'400));
  flags
      .Add("--stall-timeout", &options->stall_timeout_seconds,
           "Seconds after which a call is cancelled whose client neither sends "
           "nor takes anything; 0: never")
      ->transform(AsSeconds())
      ->check(CLI::Range(0, 86'400));
}

void AddResumeFlags(FlagParser& flags, ServerOptions* options) {
  flags
      .Add("--resume-window", &options->resume_window_seconds,
           "Seconds for which an interrupted upload is kept; 0: not at all")
      ->transform(AsSeconds())
      ->check(CLI::Range(0, 7 * 86'400));
  flags
      .Add("--max-parked", &options->max_parked_uploads,
           "Interrupted uploads that are kept; past it the oldest goes")
      ->check(CLI::Range(1, 1024));
  flags.AddSize("--checkpoint-every", &options->checkpoint_bytes, kMemoryRange,
                "Of an upload, what is received between two of the points at "
                "which it can go on when the server has ended meanwhile");
}

void AddMemoryFlags(FlagParser& flags, ServerOptions* options,
                    uint64_t* memory_limit_bytes) {
  flags.AddSize("--ingest-memory", &options->ingest_memory_bytes, kMemoryRange,
                "For the chunks in flight of all uploads");
  flags.AddSize("--download-buffer", &options->download_buffer_bytes,
                kMemoryOrNoneRange,
                "Stored values past which downloads stop reading ahead");
  flags.AddSize("--answer-memory", &options->answer_memory_bytes, kMemoryRange,
                "For answers that clients have not taken and calls that are "
                "open");
  flags.AddSize("--connection-memory", &options->connection_memory_bytes,
                kConnectionMemoryRange,
                "What gRPC may hold of all connections; past it calls are cut "
                "off");
  flags.AddSize("--block-cache", &options->block_cache_bytes, kMemoryRange,
                "Stored values that are kept for the next read (RocksDB's "
                "cache); default: an eighth of the memory, 64MiB to 512MiB");
  flags.AddSize("--max-header",
                &options->ingest_limits.max_safetensors_header_bytes,
                kHeaderRange, "What a safetensors header may have");
  flags.AddSize("--metadata-memory", &options->metadata_memory_bytes,
                kMemoryRange, "For the lists of tensors of all calls");
  flags.AddSize("--memory-limit", memory_limit_bytes, kMemoryOrNoneRange,
                "For everything: sets what is not given of the above, and the "
                "numbers of threads, uploads and downloads; 0: no limit, or "
                "that of the cgroup");
}

void AddSpaceFlags(FlagParser& flags, ServerOptions* options,
                   std::vector<std::string>* quotas) {
  flags.AddSize("--disk-reserve", &options->disk_reserve_bytes,
                kMemoryOrNoneRange,
                "What uploads leave free of the disk; default: 5 % of it, at "
                "most 1GiB");
  flags
      .Add("--quota", quotas,
           "PREFIX=SIZE: models whose names begin with PREFIX take at most "
           "SIZE; may be repeated, commas separate")
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
  if (!cgroup_bytes.has_value()) {
    if (!given("--block-cache")) {
      options.block_cache_bytes = DefaultBlockCacheBytes(MachineMemoryBytes());
    }
    return absl::OkStatus();
  }
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

void AddScrubFlags(FlagParser& flags, ServerOptions* options) {
  flags
      .Add("--scrub-interval", &options->scrub_interval_hours,
           "Hours from one check of everything stored to the next; 0: none")
      ->check(CLI::Range(0, 87'600));
  flags.AddSize("--scrub-rate", &options->scrub_bytes_per_second, kMemoryRange,
                "What the check reads a second at most");
}

// As programs of the shell do, and qstore-client.
constexpr int kExitUsage = 2;

ExitCommand Fail(const std::string& sentence) {
  return {kExitUsage, absl::StrCat("qstored: ", sentence)};
}

// Nobody who set a variable has given a flag: the sentence names what was set.
std::string NameVariable(const CLI::App& app, int argc, const char* const* argv,
                         std::string sentence) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string flag = option->get_name();
    const std::string variable = option->get_envname();
    const bool given =
        std::any_of(argv + 1, argv + argc, [&](const char* argument) {
          const std::string_view word(argument);
          return word == flag || word.starts_with(flag + "=");
        });
    const size_t at = sentence.find(flag + ":");
    if (given || variable.empty() || at == std::string::npos) continue;
    sentence.replace(at, flag.size(), "the variable " + variable);
  }
  return sentence;
}

}  // namespace

std::string DescribeOptions(const ServerOptions& options) {
  std::string text = absl::StrCat(
      "--listen ", options.listen, " --data-dir ", options.data_dir,
      " --engine ", options.engine, " --threads ", options.threads,
      " --max-uploads ", options.calls.uploads, " --max-downloads ",
      options.calls.downloads, " --max-verifies ", options.calls.verifies,
      " --max-queued ", options.calls.queued);
  absl::StrAppend(
      &text, " --memory-limit ", ByteSizeText(options.memory_limit_bytes),
      " --ingest-memory ", ByteSizeText(options.ingest_memory_bytes),
      " --metadata-memory ", ByteSizeText(options.metadata_memory_bytes),
      " --connection-memory ", ByteSizeText(options.connection_memory_bytes),
      " --answer-memory ", ByteSizeText(options.answer_memory_bytes),
      " --download-buffer ", ByteSizeText(options.download_buffer_bytes),
      " --block-cache ", ByteSizeText(options.block_cache_bytes));
  absl::StrAppend(&text, " --stall-timeout ", options.stall_timeout_seconds,
                  " --resume-window ", options.resume_window_seconds,
                  " --max-parked ", options.max_parked_uploads,
                  " --scrub-interval ", options.scrub_interval_hours,
                  " --grace ", options.grace_seconds, " --verify-ingest ",
                  options.verify_ingest ? "on" : "off");
  if (!options.backup_dir.empty()) {
    absl::StrAppend(&text, " --backup-dir ", options.backup_dir);
  }
  for (const QuotaLimit& quota : options.quotas) {
    absl::StrAppend(&text, " --quota ", quota.prefix, "=",
                    ByteSizeText(quota.max_bytes));
  }
  return text;
}

Command ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app("QStore daemon: stores models once, serves both precisions",
               "qstored");
  ServeCommand command;
  ServerOptions& options = command.options;
  uint64_t memory_limit_bytes = 0;
  uint32_t queue_timeout_seconds = 30;
  std::vector<std::string> quotas;
  std::string verify_ingest = "on";
  std::string health_check;
  FlagParser flags(&app);
  AddServingFlags(flags, &options);
  AddWorkFlags(flags, &options);
  AddWaitingFlags(flags, &options, &queue_timeout_seconds);
  AddResumeFlags(flags, &options);
  AddMemoryFlags(flags, &options, &memory_limit_bytes);
  AddScrubFlags(flags, &options);
  AddSpaceFlags(flags, &options, &quotas);
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
    ParseRefusedVariables(app.get_options());
  } catch (const CLI::Success& success) {  // help or version
    std::ostringstream text;
    app.exit(success, text, text);
    return ExitCommand{0, text.str()};
  } catch (const CLI::ParseError& error) {
    return Fail(absl::StrCat(NameVariable(app, argc, argv, error.what()),
                             " (see qstored --help)"));
  }
  if (!health_check.empty()) return HealthCheckCommand{health_check};
  if (options.data_dir.empty() && options.engine != "memory") {
    return Fail("--data-dir is missing: name the directory of the store");
  }
  options.verify_ingest = verify_ingest == "on";
  options.calls.queue_timeout = std::chrono::seconds(queue_timeout_seconds);
  for (const std::string& text : quotas) {
    auto quota = ParseQuota(text);
    if (!quota.ok()) return Fail(std::string(quota.status().message()));
    options.quotas.push_back(*std::move(quota));
  }
  const absl::Status fits = LimitMemory(app, memory_limit_bytes, &command);
  if (!fits.ok()) return Fail(std::string(fits.message()));
  return command;
}

}  // namespace qstore::server
