// The command line of qstore-client: what a person typed, checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/options.h"
#include "model/names.h"

namespace qstore::client {

struct ListOptions {
  std::string prefix;
};

struct ShowOptions {
  ModelReference reference;
};

struct TagOptions {
  ModelReference reference;
  std::string tag;
};

struct DeleteOptions {
  ModelReference reference;
};

struct VerifyOptions {
  ModelReference reference;
};

struct BackupOptions {
  std::string name;
};

struct ScrubStatusOptions {};

using Command = std::variant<UploadOptions, DownloadOptions, ListOptions,
                             ShowOptions, TagOptions, DeleteOptions,
                             VerifyOptions, BackupOptions, ScrubStatusOptions>;

struct CommandLine {
  std::string server = "127.0.0.1:7350";
  bool json = false;
  double connect_timeout_seconds = 10;
  double retry_seconds = 60;
  Command command;
};

// Exit codes, as docs/client.md lists them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Either a command line, or what to print and the code to exit with (help,
// version, a mistake).
struct ParsedCommandLine {
  std::optional<CommandLine> command_line;
  int exit_code = kExitOk;
  std::string output;  // for stdout
  std::string error;   // one sentence for stderr
  bool json = false;   // as far as could be told
};

// Reads arguments first, then QSTORE_… environment variables.
ParsedCommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace qstore::client
