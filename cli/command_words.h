// The words that name commands: which one a command line has, its synonyms, and
// what somebody may have meant who mistyped it.
#pragma once

#include <string>
#include <vector>

namespace qstore::cli {

struct CommandName {
  std::string name;
  std::vector<std::string> synonyms;
};

// How many letters must be added, taken out, changed, or swapped with their
// neighbour.
size_t TypingMistakes(const std::string& a, const std::string& b);

// The command, by name or synonym; null when there is none.
const CommandName* FindCommand(const std::vector<CommandName>& commands,
                               const std::string& word);

// "no command \"uplaod\": did you mean upload?"
std::string UnknownCommand(const std::vector<CommandName>& commands,
                           const std::string& word);

// The words of a command line that are neither options nor values of those in
// `options_with_value` ("--server"), in order.
std::vector<std::string> PlainWords(
    int argc, const char* const* argv,
    const std::vector<std::string>& options_with_value);

}  // namespace qstore::cli
