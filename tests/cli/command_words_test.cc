#include "cli/command_words.h"

#include "cli/command_line.h"
#include "cli/help_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ParsedCommandLine ParseWords(std::vector<const char*> words) {
  words.insert(words.begin(), "qstore-client");
  return ParseCommandLine(static_cast<int>(words.size()), words.data());
}

TEST(CommandWordsTest, CountsMistakes) {
  EXPECT_EQ(TypingMistakes("upload", "upload"), 0u);
  EXPECT_EQ(TypingMistakes("uplaod", "upload"), 1u);
  EXPECT_EQ(TypingMistakes("uload", "upload"), 1u);
  EXPECT_EQ(TypingMistakes("uplload", "upload"), 1u);
  EXPECT_EQ(TypingMistakes("", "ls"), 2u);
}

TEST(CommandWordsTest, WordsAreWhatIsNoOption) {
  const char* const words[] = {"p",     "--server", "h:1", "--json",
                               "--a=b", "list",     "-",   "-h"};
  EXPECT_THAT(PlainWords(8, words, {"--server"}), ElementsAre("list", "-"));
}

TEST(CommandWordsTest, SaysWhatWasMeant) {
  EXPECT_THAT(
      ParseWords({"uplaod", "a", "b"}).error,
      HasSubstr("there is no command \"uplaod\": did you mean upload?"));
  EXPECT_THAT(ParseWords({"--server", "h:1", "pul"}).error,
              HasSubstr("did you mean download?"));
  EXPECT_THAT(ParseWords({"frobnicate"}).error, HasSubstr("use upload, "));
  EXPECT_THAT(ParseWords({}).error, HasSubstr("no command is given"));
  EXPECT_EQ(ParseWords({"frobnicate"}).exit_code, kExitUsage);
}

TEST(CommandWordsTest, TakesSynonyms) {
  const auto command = [](std::vector<const char*> words) {
    const ParsedCommandLine parsed = ParseWords(std::move(words));
    EXPECT_TRUE(parsed.command_line.has_value()) << parsed.error;
    return parsed.command_line.has_value()
               ? parsed.command_line->command.index()
               : std::variant_npos;
  };
  EXPECT_EQ(command({"ls"}), command({"list"}));
  EXPECT_EQ(command({"rm", "o/m"}), command({"delete", "o/m"}));
  EXPECT_EQ(command({"push", "d", "o/m"}), command({"upload", "d", "o/m"}));
  EXPECT_EQ(command({"pull", "o/m", "d"}), command({"download", "o/m", "d"}));
}

TEST(CommandWordsTest, HelpOfACommand) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"help", "upload"}, {"upload", "--help"}, {"help", "push"}}) {
    const ParsedCommandLine parsed = ParseWords(words);
    EXPECT_EQ(parsed.exit_code, kExitOk);
    EXPECT_THAT(parsed.output, HasSubstr("qstore-client upload"));
    EXPECT_THAT(parsed.output, HasSubstr("--quantizer"));
    // Those of all commands too.
    EXPECT_THAT(parsed.output, HasSubstr("--server"));
    EXPECT_THAT(parsed.output, Not(HasSubstr("--allow-original")));
  }
  EXPECT_THAT(ParseWords({"help"}).output, HasSubstr("download"));
  EXPECT_THAT(ParseWords({"help", "uplaod"}).error, HasSubstr("upload?"));
  EXPECT_THAT(ParseWords({"version"}).output, HasSubstr("qstore-client "));
}

TEST(CommandWordsTest, HelpBreaksBetweenWords) {
  const std::string indent(30, ' ');
  EXPECT_EQ(WrapHelp(indent + "one two three", 38),
            indent + "one two\n" + indent + "three");
  EXPECT_EQ(WrapHelp("  --a-long-option VALUE", 10), "  --a-long-option VALUE");
}

TEST(CommandWordsTest, CompletionForBash) {
  const std::string script = ParseWords({"completion", "bash"}).output;
  EXPECT_THAT(script, HasSubstr("complete -F _qstore_client qstore-client"));
  EXPECT_THAT(script, HasSubstr("--allow-original"));
  EXPECT_EQ(ParseWords({"completion", "fish"}).exit_code, kExitUsage);
}

}  // namespace
}  // namespace qstore::cli
