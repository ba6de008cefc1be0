#include "cli/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/refused_variables.h"
#include "base/status.h"
#include "base/text/host_port.h"
#include "base/text/quote.h"
#include "cli/command_options.h"
#include "cli/command_words.h"
#include "cli/help_text.h"

namespace qstore::cli {
namespace {

constexpr char kFooter[] =
    "`qstore-client help COMMAND` tells of one command, `qstore-client "
    "completion\n"
    "bash` prints a script for bash. Every option can also be given as the\n"
    "environment variable named in its description. Exit status: 0 success, 1 "
    "failure,\n"
    "2 wrong usage, 130 or 143 interrupted. Errors are one sentence on stderr.";

// Words that are no commands of CLI11's.
constexpr char kHelpWord[] = "help";
constexpr char kVersionWord[] = "version";
constexpr char kCompletionWord[] = "completion";

constexpr char kVersion[] = "qstore-client " QSTORE_VERSION;

// A person who lists models does not want to wait for a server that is down; a
// job that moves a model does.
constexpr double kFirstContactSeconds = 2;

// "NAME*" or "NAME*[FIRST:END]", rows as a slice of Python names them.
absl::StatusOr<model::TensorPattern> ParseTensorPattern(
    const std::string& text) {
  model::TensorPattern pattern;
  pattern.pattern = text;
  const size_t open = text.rfind('[');
  const size_t colon = text.rfind(':');
  if (!text.ends_with(']') || open == std::string::npos ||
      colon == std::string::npos || colon < open) {
    return pattern;
  }
  model::RowRange rows;
  if (!absl::SimpleAtoi(text.substr(open + 1, colon - open - 1), &rows.first) ||
      !absl::SimpleAtoi(text.substr(colon + 1, text.size() - colon - 2),
                        &rows.end)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tensor ", text, ": rows are two numbers, as in weight[0:128]"));
  }
  pattern.pattern = text.substr(0, open);
  pattern.rows = rows;
  return pattern;
}

// Schemes of gRPC, which takes more than HOST:PORT.
bool IsGrpcTarget(const std::string& server) {
  constexpr std::string_view kSchemes[] = {
      "dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:"};
  return std::any_of(
      std::begin(kSchemes), std::end(kSchemes),
      [&](std::string_view scheme) { return server.starts_with(scheme); });
}

absl::Status CheckServer(const std::string& server) {
  if (IsGrpcTarget(server)) return absl::OkStatus();
  return Annotate(ParseHostPort(server).status(), "--server");
}

// What looks like an address in front of a name.
absl::StatusOr<ModelReference> ParseName(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon != std::string::npos &&
      text.find('/', colon) != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text),
                     " is no name: names are ORG/NAME, without a scheme or a "
                     "host, which --server has"));
  }
  return ParseModelReference(text);
}

absl::Status CheckDirectory(const std::filesystem::path& directory) {
  if (directory.empty()) {
    return absl::InvalidArgumentError(
        "DIR is empty: name the directory to write to");
  }
  if (directory == "-") {
    return absl::InvalidArgumentError(
        "DIR is -, but a model is a directory of files: name one (./- if that "
        "is its name)");
  }
  return absl::OkStatus();
}

// Only a tag may be moved or created by name; a revision cannot be chosen.
absl::Status CheckUploadTarget(const ModelReference& target) {
  if (target.revision_prefix.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      target.ToString(),
      " names a revision, which the server computes from the content: give "
      "NAME or NAME:TAG"));
}

absl::StatusOr<Command> BuildCommand(const std::string& name,
                                     Arguments* arguments) {
  if (name == "list") return Command(arguments->list);
  if (name == "scrub-status") return Command(ScrubStatusCommand{});
  if (name == "backup") {
    QSTORE_RETURN_IF_ERROR(ValidateBackupName(arguments->backup.name));
    return Command(arguments->backup);
  }
  QSTORE_ASSIGN_OR_RETURN(ModelReference reference,
                          ParseName(arguments->reference));
  if (name == "upload") {
    QSTORE_RETURN_IF_ERROR(CheckUploadTarget(reference));
    arguments->upload.options.model = reference.model;
    arguments->upload.options.tag = reference.tag;
    return Command(arguments->upload);
  }
  if (name == "download") {
    QSTORE_RETURN_IF_ERROR(CheckDirectory(arguments->download.directory));
    arguments->download.reference = std::move(reference);
    model::Selection& selection = arguments->download.options.selection;
    for (const std::string& typed : arguments->tensors) {
      QSTORE_ASSIGN_OR_RETURN(model::TensorPattern pattern,
                              ParseTensorPattern(typed));
      selection.tensors.push_back(std::move(pattern));
    }
    QSTORE_RETURN_IF_ERROR(model::ValidateSelection(selection));
    return Command(arguments->download);
  }
  if (name == "show") {
    arguments->show.reference = std::move(reference);
    return Command(arguments->show);
  }
  if (name == "tag") {
    QSTORE_RETURN_IF_ERROR(ValidateTag(arguments->tag.tag));
    arguments->tag.reference = std::move(reference);
    return Command(arguments->tag);
  }
  if (name == "delete") return Command(DeleteCommand{std::move(reference)});
  return Command(VerifyCommand{std::move(reference)});
}

// For mistakes that end parsing before --json is reached.
bool AsksForJson(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

ParsedCommandLine Mistake(std::string sentence) {
  ParsedCommandLine parsed;
  parsed.exit_code = kExitUsage;
  parsed.error = std::move(sentence);
  return parsed;
}

std::vector<CommandName> CommandsOf(const CLI::App& app) {
  std::vector<CommandName> commands;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    commands.push_back({command->get_name(), command->get_aliases()});
  }
  for (const char* word : {kHelpWord, kVersionWord, kCompletionWord}) {
    commands.push_back({word, {}});
  }
  return commands;
}

const CLI::App* FindApp(const CLI::App& app, const std::string& command) {
  for (const CLI::App* one : app.get_subcommands(nullptr)) {
    if (one->get_name() == command) return one;
  }
  return nullptr;
}

std::vector<std::string> OptionsWithValue(const CLI::App& app) {
  std::vector<std::string> names;
  std::vector<const CLI::App*> apps = app.get_subcommands(nullptr);
  apps.push_back(&app);
  for (const CLI::App* one : apps) {
    for (const CLI::Option* option : one->get_options()) {
      if (option->get_items_expected_max() == 0) continue;
      for (const std::string& name : option->get_lnames()) {
        names.push_back("--" + name);
      }
    }
  }
  return names;
}

// The variables of a command are no concern of the others.
void ForgetVariablesOfOthers(CLI::App* app, const std::string& chosen) {
  for (CLI::App* command :
       app->get_subcommands([](CLI::App*) { return true; })) {
    if (command->get_name() == chosen) continue;
    for (CLI::Option* option :
         command->get_options([](CLI::Option*) { return true; })) {
      option->envname("");
    }
  }
}

bool IsGiven(int argc, const char* const* argv, const std::string& name) {
  return std::any_of(argv + 1, argv + argc, [&](const char* argument) {
    const std::string_view word(argument);
    return word == name || word.starts_with(name + "=");
  });
}

// Nobody who set a variable has given an option: the sentence names what was
// set.
std::string NameVariable(const CLI::App& app, const std::string& chosen,
                         int argc, const char* const* argv,
                         std::string sentence) {
  std::vector<const CLI::Option*> options = app.get_options();
  if (const CLI::App* command = FindApp(app, chosen)) {
    const auto own = command->get_options();
    options.insert(options.end(), own.begin(), own.end());
  }
  for (const CLI::Option* option : options) {
    const std::string name = option->get_name();
    const std::string variable = option->get_envname();
    if (variable.empty() || IsGiven(argc, argv, name)) continue;
    // One thread.
    if (std::getenv(variable.c_str()) ==
        nullptr) {  // NOLINT(concurrency-mt-unsafe)
      continue;
    }
    if (const size_t at = sentence.find(name + ":"); at != std::string::npos) {
      sentence.replace(at, name.size(), "the variable " + variable);
    }
  }
  return sentence;
}

ParsedCommandLine Print(std::string text) {
  ParsedCommandLine parsed;
  parsed.output = std::move(text);
  return parsed;
}

// What CLI11 knows nothing of; nothing when the command line is for it.
std::optional<ParsedCommandLine> ParseOwnWords(
    const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  const std::vector<CommandName> commands = CommandsOf(app);
  std::string word = words[0];
  const bool help = word == kHelpWord;
  if (help && words.size() == 1) return Print(HelpOf(app, app));
  if (help) word = words[1];
  const CommandName* const command = FindCommand(commands, word);
  if (command == nullptr) {
    return Mistake(UnknownCommand(commands, word) +
                   " (qstore-client help lists them)");
  }
  if (help) {
    const CLI::App* const found = FindApp(app, command->name);
    return Print(HelpOf(app, found == nullptr ? app : *found));
  }
  if (word == kVersionWord) return Print(absl::StrCat(kVersion, "\n"));
  if (word != kCompletionWord) return std::nullopt;
  if (words.size() == 2 && words[1] == "bash") {
    return Print(BashCompletion(app));
  }
  return Mistake("completion is there for bash: qstore-client completion bash");
}

ParsedCommandLine Parse(CLI::App* app, Arguments* arguments, int argc,
                        const char* const* argv) {
  const std::vector<std::string> words =
      PlainWords(argc, argv, OptionsWithValue(*app));
  if (auto parsed = ParseOwnWords(*app, words)) return *std::move(parsed);
  std::string chosen;
  if (!words.empty()) chosen = FindCommand(CommandsOf(*app), words[0])->name;
  ForgetVariablesOfOthers(app, chosen);
  try {
    app->parse(argc, argv);
    ParseRefusedVariables(app->get_options());
    for (CLI::App* command : app->get_subcommands()) {
      ParseRefusedVariables(command->get_options());
    }
  } catch (const CLI::CallForVersion& version) {
    return Print(absl::StrCat(version.what(), "\n"));
  } catch (const CLI::CallForHelp&) {
    const auto parsed = app->get_subcommands();
    return Print(HelpOf(*app, parsed.empty() ? *app : *parsed.front()));
  } catch (const CLI::ParseError& mistake) {
    if (chosen.empty()) {
      return Mistake("no command is given (qstore-client help lists them)");
    }
    return Mistake(
        absl::StrCat(NameVariable(*app, chosen, argc, argv, mistake.what()),
                     " (qstore-client help ", chosen, " shows the usage)"));
  }
  CommandLine& line = arguments->line;
  const bool moves_a_model = chosen == "upload" || chosen == "download";
  if (!moves_a_model && app->get_option("--retry-for")->count() == 0) {
    line.session.first_contact_seconds = kFirstContactSeconds;
  }
  absl::Status status = CheckServer(line.session.server);
  if (status.ok()) {
    absl::StatusOr<Command> command = BuildCommand(chosen, arguments);
    status = command.status();
    if (status.ok()) line.command = *std::move(command);
  }
  if (!status.ok()) return Mistake(std::string(status.message()));
  ParsedCommandLine parsed;
  parsed.json = line.json;
  parsed.command_line = std::move(line);
  return parsed;
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app("Client of the QStore model store", "qstore-client");
  app.set_version_flag("--version", kVersion);
  app.set_help_flag("-h,--help", "Print this help");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  AddGlobalOptions(&app, &arguments);
  AddCommands(&app, &arguments);
  ParsedCommandLine parsed = Parse(&app, &arguments, argc, argv);
  if (!parsed.command_line.has_value()) parsed.json = AsksForJson(argc, argv);
  return parsed;
}

}  // namespace qstore::cli
