#include "server/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "server/engines.h"
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

  explicit MebibyteFlags(const ServerOptions& options)
      : ingest_memory(options.ingest_memory_bytes / kMebibyte),
        download_buffer(options.download_buffer_bytes / kMebibyte),
        block_cache(options.block_cache_bytes / kMebibyte),
        max_header(options.ingest_limits.max_safetensors_header_bytes /
                   kMebibyte) {}
  void CopyTo(ServerOptions* options) const {
    options->ingest_memory_bytes = ingest_memory * kMebibyte;
    options->download_buffer_bytes = download_buffer * kMebibyte;
    options->block_cache_bytes = block_cache * kMebibyte;
    options->ingest_limits.max_safetensors_header_bytes =
        max_header * kMebibyte;
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
           "Threads of gRPC, one per running call that is not a download")
      ->check(CLI::Range(8, 65'536));
  flags
      .Add("--message-bytes", &options->message_bytes,
           "Payload of one download message")
      ->check(CLI::Range(4096, 2 << 20));
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
}

ExitCommand Fail(const std::string& sentence) {
  return {1, absl::StrCat("qstored: ", sentence)};
}

}  // namespace

Command ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app("QStore daemon: stores models once, serves both precisions",
               "qstored");
  ServerOptions options;
  MebibyteFlags mebibytes(options);
  std::string verify_ingest = "on";
  std::string health_check;
  FlagParser flags(&app);
  AddServingFlags(flags, &options);
  AddWorkFlags(flags, &options);
  AddResumeFlags(flags, &options);
  AddMemoryFlags(flags, &mebibytes);
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
  return ServeCommand{std::move(options)};
}

}  // namespace qstore::server
