// What `--help` prints.
#pragma once

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace qstore::cli {

// Of the program or of one command, with the options that all commands take;
// lines end between words.
std::string HelpOf(const CLI::App& program, const CLI::App& command);

// A script for bash that completes commands and their options.
std::string BashCompletion(const CLI::App& program);

// Breaks lines that are longer than `columns` between words; what goes on is
// indented as the descriptions of options are.
std::string WrapHelp(const std::string& text, size_t columns);

}  // namespace qstore::cli
