#include "cli/command_line.h"

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParsedCommandLine Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "qstore-client");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

template <typename Options>
Options ParseAs(const std::vector<const char*>& arguments) {
  const ParsedCommandLine parsed = Parse(arguments);
  EXPECT_TRUE(parsed.command_line.has_value()) << parsed.error;
  if (!parsed.command_line.has_value()) return {};
  return std::get<Options>(parsed.command_line->command);
}

class ScopedEnvironment {
 public:
  using Variables = std::vector<std::pair<const char*, const char*>>;

  explicit ScopedEnvironment(Variables variables)
      : variables_(std::move(variables)) {
    for (const auto& [name, value] : variables_) {
      setenv(name, value, 1);  // NOLINT(concurrency-mt-unsafe): one thread
    }
  }
  ~ScopedEnvironment() {
    for (const auto& [name, value] : variables_) {
      unsetenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    }
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  const Variables variables_;
};

TEST(CommandLineTest, HasDefaults) {
  const ParsedCommandLine parsed = Parse({"list"});
  ASSERT_TRUE(parsed.command_line.has_value());
  EXPECT_EQ(parsed.command_line->server, "127.0.0.1:7350");
  EXPECT_FALSE(parsed.command_line->json);
}

TEST(CommandLineTest, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {"--server", "h:1", "--json", "show", "org/m"},
           {"show", "--server", "h:1", "org/m", "--json"},
           {"--json", "show", "org/m", "--server=h:1"}}) {
    const ParsedCommandLine parsed = Parse(arguments);
    ASSERT_TRUE(parsed.command_line.has_value()) << parsed.error;
    EXPECT_EQ(parsed.command_line->server, "h:1");
    EXPECT_TRUE(parsed.command_line->json);
  }
}

TEST(CommandLineTest, ParsesUpload) {
  const auto plain = ParseAs<UploadOptions>({"upload", "dir", "org/m"});
  EXPECT_EQ(plain.source, "dir");
  EXPECT_EQ(plain.model, "org/m");
  EXPECT_EQ(plain.tag, "latest");
  EXPECT_EQ(plain.quantizer, "absmax");
  EXPECT_EQ(plain.int8_coder, "zstd");
  const auto full = ParseAs<UploadOptions>(
      {"upload", "--exclude", "a*", "--exclude", "b*", "--include", "c?",
       "--no-default-excludes", "--quantizer", "none", "--int8-coder", "sliced",
       "dir", "org/m:v1"});
  EXPECT_EQ(full.source, "dir");
  EXPECT_EQ(full.tag, "v1");
  EXPECT_THAT(full.exclude, ElementsAre("a*", "b*"));
  EXPECT_THAT(full.include, ElementsAre("c?"));
  EXPECT_TRUE(full.no_default_excludes);
  EXPECT_EQ(full.quantizer, "none");
  EXPECT_EQ(full.int8_coder, "sliced");
}

TEST(CommandLineTest, UploadsAccidentsOnlyWhereForced) {
  EXPECT_FALSE(ParseAs<UploadOptions>({"upload", "dir", "org/m"}).force);
  EXPECT_TRUE(
      ParseAs<UploadOptions>({"upload", "--force", "dir", "org/m"}).force);
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_FORCE", "1"}});
  EXPECT_TRUE(ParseAs<UploadOptions>({"upload", "dir", "org/m"}).force);
}

TEST(CommandLineTest, AGlobDoesNotSwallowWhatFollows) {
  const auto options =
      ParseAs<UploadOptions>({"upload", "--exclude", "a*", "dir", "org/m"});
  EXPECT_THAT(options.exclude, ElementsAre("a*"));
  EXPECT_EQ(options.source, "dir");
}

TEST(CommandLineTest, ParsesDownloadReferences) {
  const auto by_tag = ParseAs<DownloadOptions>(
      {"download", "org/m:prod", "out", "--precision", "int8", "--format",
       "compressed-tensors", "--threads", "3", "--memory", "64"});
  EXPECT_EQ(by_tag.reference.model, "org/m");
  EXPECT_EQ(by_tag.reference.tag, "prod");
  EXPECT_EQ(by_tag.directory, "out");
  EXPECT_EQ(by_tag.precision, "int8");
  EXPECT_EQ(by_tag.threads, 3u);
  EXPECT_EQ(by_tag.memory_mib, 64u);
  const auto by_revision =
      ParseAs<DownloadOptions>({"download", "org/m@0123abcd", "out"});
  EXPECT_EQ(by_revision.reference.revision_prefix, "0123abcd");
  EXPECT_EQ(by_revision.reference.tag, "");
}

TEST(CommandLineTest, ParsesTheOtherCommands) {
  EXPECT_EQ(ParseAs<ListOptions>({"list"}).prefix, "");
  EXPECT_EQ(ParseAs<ListOptions>({"list", "org/"}).prefix, "org/");
  EXPECT_EQ(ParseAs<ShowOptions>({"show", "org/m"}).reference.tag, "latest");
  const auto tag = ParseAs<TagOptions>({"tag", "org/m@0123abcd", "prod"});
  EXPECT_EQ(tag.reference.revision_prefix, "0123abcd");
  EXPECT_EQ(tag.tag, "prod");
  EXPECT_EQ(ParseAs<DeleteOptions>({"delete", "org/m:x"}).reference.tag, "x");
  EXPECT_EQ(ParseAs<VerifyOptions>({"verify", "org/m"}).reference.model,
            "org/m");
  EXPECT_EQ(ParseAs<BackupOptions>({"backup", "b1"}).name, "b1");
  ParseAs<ScrubStatusOptions>({"scrub-status"});
}

TEST(CommandLineTest, ReadsTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_SERVER", "env:1"},
                                   {"QSTORE_JSON", "1"},
                                   {"QSTORE_PRECISION", "int8"},
                                   {"QSTORE_MEMORY", "77"}});
  const ParsedCommandLine parsed = Parse({"download", "org/m", "out"});
  ASSERT_TRUE(parsed.command_line.has_value()) << parsed.error;
  EXPECT_EQ(parsed.command_line->server, "env:1");
  EXPECT_TRUE(parsed.command_line->json);
  const auto& options = std::get<DownloadOptions>(parsed.command_line->command);
  EXPECT_EQ(options.precision, "int8");
  EXPECT_EQ(options.memory_mib, 77u);
}

TEST(CommandLineTest, ReadsUploadOptionsFromTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_EXCLUDE", "a*,b*"},
                                   {"QSTORE_QUANTIZER", "none"},
                                   {"QSTORE_INT8_CODER", "sliced"},
                                   {"QSTORE_NO_DEFAULT_EXCLUDES", "1"}});
  const auto options = ParseAs<UploadOptions>({"upload", "dir", "org/m"});
  EXPECT_THAT(options.exclude, ElementsAre("a*", "b*"));
  EXPECT_EQ(options.quantizer, "none");
  EXPECT_EQ(options.int8_coder, "sliced");
  EXPECT_TRUE(options.no_default_excludes);
}

TEST(CommandLineTest, ArgumentsWinOverTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_SERVER", "env:1"}});
  const ParsedCommandLine parsed = Parse({"list", "--server", "argument:2"});
  ASSERT_TRUE(parsed.command_line.has_value());
  EXPECT_EQ(parsed.command_line->server, "argument:2");
}

TEST(CommandLineTest, RefusesMistakes) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {},
           {"fetch", "org/m"},
           {"show"},
           {"show", "org/m", "extra"},
           {"show", "/etc/passwd"},
           {"show", "org/../m"},
           {"show", "org/m:"},
           {"show", "org/m@xyz"},
           {"upload", "dir", "org/m@0123abcd"},
           {"upload", "dir", "org/m", "--quantizer", "magic"},
           {"upload", "dir", "org/m", "--int8-coder", "lz4"},
           {"download", "org/m", "out", "--precision", "int4"},
           {"download", "org/m", "out", "--format", "gguf"},
           {"download", "org/m", "out", "--threads", "-1"},
           {"download", "org/m", "out", "--memory", "0"},
           {"tag", "org/m", "a/b"},
           {"list", "--server", "nowhere"},
           {"list", "--bogus"}}) {
    const ParsedCommandLine parsed = Parse(arguments);
    EXPECT_FALSE(parsed.command_line.has_value())
        << (arguments.empty() ? "" : arguments.back());
    EXPECT_EQ(parsed.exit_code, kExitUsage);
    EXPECT_NE(parsed.error, "");
    EXPECT_EQ(parsed.error.find('\n'), std::string::npos) << parsed.error;
  }
}

TEST(CommandLineTest, ReportsMistakesAsJsonWhereAsked) {
  EXPECT_TRUE(Parse({"--json", "show"}).json);
  EXPECT_FALSE(Parse({"show"}).json);
}

TEST(CommandLineTest, PrintsHelpAndVersion) {
  const ParsedCommandLine help = Parse({"--help"});
  EXPECT_EQ(help.exit_code, kExitOk);
  EXPECT_THAT(help.output, HasSubstr("upload"));
  const ParsedCommandLine command_help = Parse({"download", "--help"});
  EXPECT_THAT(command_help.output, HasSubstr("--precision"));
  EXPECT_THAT(command_help.output, HasSubstr("QSTORE_PRECISION"));
  const ParsedCommandLine version = Parse({"--version"});
  EXPECT_EQ(version.exit_code, kExitOk);
  EXPECT_THAT(version.output, HasSubstr("qstore-client "));
}

}  // namespace
}  // namespace qstore::client
