#include "cli/help_text.h"

#include <algorithm>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace qstore::cli {
namespace {

constexpr size_t kColumns = 80;
// Where CLI11 begins descriptions.
constexpr size_t kDescriptionColumn = 30;

std::vector<std::string> LongOptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::string WrapLine(const std::string& line, size_t columns) {
  std::string wrapped;
  std::string rest = line;
  const std::string indent(kDescriptionColumn, ' ');
  while (rest.size() > columns) {
    // Nothing before the description is broken, and no word.
    const size_t end = rest.rfind(' ', columns);
    const size_t first =
        std::max(kDescriptionColumn, rest.find_first_not_of(' ') + 1);
    if (end == std::string::npos || end <= first) break;
    absl::StrAppend(&wrapped, rest.substr(0, end), "\n");
    rest = indent + rest.substr(end + 1);
  }
  return wrapped + rest;
}

}  // namespace

std::string WrapHelp(const std::string& text, size_t columns) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) line = WrapLine(line, columns);
  return absl::StrJoin(lines, "\n");
}

std::string HelpOf(const CLI::App& program, const CLI::App& command) {
  if (&program == &command) return WrapHelp(program.help(), kColumns);
  std::string text = command.help("qstore-client");
  // Behind the command's own options, before the footer.
  std::vector<const CLI::Option*> options = program.get_options();
  options.erase(std::remove_if(options.begin(), options.end(),
                               [](const CLI::Option* option) {
                                 return option->check_lname("help") ||
                                        option->check_lname("version");
                               }),
                options.end());
  const auto* formatter =
      dynamic_cast<const CLI::Formatter*>(program.get_formatter().get());
  const std::string footer = program.get_footer();
  const size_t end = text.rfind(footer);
  if (formatter != nullptr && end != std::string::npos && !footer.empty()) {
    text.insert(end, absl::StrCat(formatter->make_group("Options of all "
                                                        "commands",
                                                        false, options),
                                  "\n\n"));
  }
  return WrapHelp(text, kColumns);
}

std::string BashCompletion(const CLI::App& program) {
  const std::string global = absl::StrJoin(LongOptionsOf(program), " ");
  std::vector<std::string> names;
  std::string cases;
  for (const CLI::App* command : program.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
    absl::StrAppend(&cases, "    ", command->get_name(), ") words=\"",
                    absl::StrJoin(LongOptionsOf(*command), " "), " ", global,
                    "\" ;;\n");
  }
  return absl::StrCat(
      "# eval \"$(qstore-client completion bash)\"\n"
      "_qstore_client() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} word words=\"\" command=\"\"\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in\n"
      "    ",
      absl::StrJoin(names, "|"),
      ") command=$word; break ;;\n"
      "    esac\n"
      "  done\n"
      "  case $command in\n"
      "    \"\") words=\"",
      absl::StrJoin(names, " "), " ", global, "\" ;;\n", cases,
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  if [[ -n $command && $current != -* ]]; then\n"
      "    compopt -o default\n"
      "    COMPREPLY=()\n"
      "  fi\n"
      "}\n"
      "complete -F _qstore_client qstore-client\n");
}

}  // namespace qstore::cli
