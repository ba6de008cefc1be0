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

namespace qstore::cli {

struct UploadCommand {
  client::UploadOptions options;
  bool dry_run = false;  // tell what would happen, send nothing
};

struct DownloadCommand {
  ModelReference reference;
  std::filesystem::path directory;
  client::DownloadOptions options;
};

struct ListCommand {
  std::string prefix;
  bool with_sizes = false;  // however many revisions there are
};

struct ShowCommand {
  ModelReference reference;
  bool files = false;
  bool tensors = false;
};

struct TagCommand {
  ModelReference reference;
  std::string tag;
};

struct DeleteCommand {
  ModelReference reference;
};

struct VerifyCommand {
  ModelReference reference;
};

struct BackupCommand {
  std::string name;
};

struct ScrubStatusCommand {};

using Command = std::variant<UploadCommand, DownloadCommand, ListCommand,
                             ShowCommand, TagCommand, DeleteCommand,
                             VerifyCommand, BackupCommand, ScrubStatusCommand>;

struct CommandLine {
  client::SessionOptions session;
  bool json = false;
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

// Reads arguments first, then QSTORE_… environment variables, of the command
// that is given alone.
ParsedCommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace qstore::cli
