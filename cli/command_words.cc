#include "cli/command_words.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/quote.h"

namespace qstore::cli {
namespace {

// More are another word.
constexpr size_t kMostMistakes = 2;

}  // namespace

size_t TypingMistakes(const std::string& a, const std::string& b) {
  // distance[i][j]: of the first i letters of `a` and the first j of `b`.
  std::vector<std::vector<size_t>> distance(a.size() + 1,
                                            std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        distance[i][j] = i + j;
        continue;
      }
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      distance[i][j] = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1,
                                 distance[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
      }
    }
  }
  return distance[a.size()][b.size()];
}

const CommandName* FindCommand(const std::vector<CommandName>& commands,
                               const std::string& word) {
  const auto found = std::find_if(
      commands.begin(), commands.end(), [&](const CommandName& command) {
        return command.name == word ||
               std::find(command.synonyms.begin(), command.synonyms.end(),
                         word) != command.synonyms.end();
      });
  return found == commands.end() ? nullptr : &*found;
}

std::string UnknownCommand(const std::vector<CommandName>& commands,
                           const std::string& word) {
  // Longer ones are no command that was mistyped.
  constexpr size_t kMaxWordBytes = 32;
  std::string meant;
  size_t fewest = kMostMistakes + 1;
  std::vector<std::string> names;
  for (const CommandName& command : commands) {
    names.push_back(command.name);
    if (word.size() > kMaxWordBytes) continue;
    std::vector<std::string> words = command.synonyms;
    words.push_back(command.name);
    for (const std::string& one : words) {
      const size_t mistakes = TypingMistakes(word, one);
      if (mistakes < fewest && mistakes < one.size()) {
        fewest = mistakes;
        meant = command.name;
      }
    }
  }
  return absl::StrCat("there is no command ", Quoted(word),
                      meant.empty()
                          ? absl::StrCat(": use ", absl::StrJoin(names, ", "))
                          : absl::StrCat(": did you mean ", meant, "?"));
}

std::vector<std::string> PlainWords(
    int argc, const char* const* argv,
    const std::vector<std::string>& options_with_value) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.size() < 2 || word.front() != '-') {
      words.push_back(std::move(word));
    } else if (std::find(options_with_value.begin(), options_with_value.end(),
                         word) != options_with_value.end()) {
      ++i;
    }
  }
  return words;
}

}  // namespace qstore::cli
