#include "cli/command_line.h"

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::cli {
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
  EXPECT_EQ(parsed.command_line->session.server, "127.0.0.1:7350");
  EXPECT_FALSE(parsed.command_line->json);
}

TEST(CommandLineTest, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {"--server", "h:1", "--json", "show", "org/m"},
           {"show", "--server", "h:1", "org/m", "--json"},
           {"--json", "show", "org/m", "--server=h:1"}}) {
    const ParsedCommandLine parsed = Parse(arguments);
    ASSERT_TRUE(parsed.command_line.has_value()) << parsed.error;
    EXPECT_EQ(parsed.command_line->session.server, "h:1");
    EXPECT_TRUE(parsed.command_line->json);
  }
}

TEST(CommandLineTest, ParsesUpload) {
  const auto plain = ParseAs<UploadCommand>({"upload", "dir", "org/m"}).options;
  EXPECT_EQ(plain.source, "dir");
  EXPECT_EQ(plain.model, "org/m");
  EXPECT_EQ(plain.tag, "latest");
  EXPECT_EQ(plain.quantizer, "absmax");
  EXPECT_EQ(plain.int8_coder, "zstd");
  const auto full =
      ParseAs<UploadCommand>({"upload", "--exclude", "a*", "--exclude", "b*",
                              "--include", "c?", "--no-default-excludes",
                              "--quantizer", "none", "--int8-coder", "sliced",
                              "dir", "org/m:v1"})
          .options;
  EXPECT_EQ(full.source, "dir");
  EXPECT_EQ(full.tag, "v1");
  EXPECT_THAT(full.exclude, ElementsAre("a*", "b*"));
  EXPECT_THAT(full.include, ElementsAre("c?"));
  EXPECT_TRUE(full.no_default_excludes);
  EXPECT_EQ(full.quantizer, "none");
  EXPECT_EQ(full.int8_coder, "sliced");
}

TEST(CommandLineTest, UploadsAccidentsOnlyWhereForced) {
  EXPECT_FALSE(
      ParseAs<UploadCommand>({"upload", "dir", "org/m"}).options.force);
  EXPECT_TRUE(ParseAs<UploadCommand>({"upload", "--force", "dir", "org/m"})
                  .options.force);
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_FORCE", "1"}});
  EXPECT_TRUE(ParseAs<UploadCommand>({"upload", "dir", "org/m"}).options.force);
}

TEST(CommandLineTest, AGlobDoesNotSwallowWhatFollows) {
  const auto options =
      ParseAs<UploadCommand>({"upload", "--exclude", "a*", "dir", "org/m"})
          .options;
  EXPECT_THAT(options.exclude, ElementsAre("a*"));
  EXPECT_EQ(options.source, "dir");
}

TEST(CommandLineTest, ParsesDownloadReferences) {
  const auto by_tag = ParseAs<DownloadCommand>(
      {"download", "org/m:prod", "out", "--precision", "int8", "--format",
       "compressed-tensors", "--threads", "3", "--memory", "64MiB"});
  EXPECT_EQ(by_tag.reference.model, "org/m");
  EXPECT_EQ(by_tag.reference.tag, "prod");
  EXPECT_EQ(by_tag.directory, "out");
  EXPECT_EQ(by_tag.options.precision, "int8");
  EXPECT_EQ(by_tag.options.threads, 3u);
  EXPECT_EQ(by_tag.options.memory_bytes, uint64_t{64} << 20);
  const auto by_revision =
      ParseAs<DownloadCommand>({"download", "org/m@0123abcd", "out"});
  EXPECT_EQ(by_revision.reference.revision_prefix, "0123abcd");
  EXPECT_EQ(by_revision.reference.tag, "");
}

TEST(CommandLineTest, ParsesParts) {
  const auto options = ParseAs<DownloadCommand>(
      {"download", "--file", "*.json", "--tensor", "a.*", "--tensor",
       "b.weight[8:16]", "--file", "x", "org/m", "out"});
  EXPECT_EQ(options.directory, "out");
  const model::Selection& selection = options.options.selection;
  EXPECT_EQ(selection.files, (std::vector<std::string>{"*.json", "x"}));
  ASSERT_EQ(selection.tensors.size(), 2u);
  EXPECT_EQ(selection.tensors[0].pattern, "a.*");
  EXPECT_FALSE(selection.tensors[0].rows.has_value());
  EXPECT_EQ(selection.tensors[1].pattern, "b.weight");
  EXPECT_EQ(selection.tensors[1].rows, (model::RowRange{8, 16}));
  for (const char* wrong : {"w[1:x]", "w[:3]", "w[4:4]", ""}) {
    EXPECT_EQ(Parse({"download", "org/m", "out", "--tensor", wrong}).exit_code,
              kExitUsage)
        << wrong;
  }
  // Not rows, but part of a name.
  EXPECT_EQ(
      ParseAs<DownloadCommand>({"download", "org/m", "out", "--tensor", "w[3]"})
          .options.selection.tensors[0]
          .pattern,
      "w[3]");
}

TEST(CommandLineTest, ParsesTheOtherCommands) {
  EXPECT_EQ(ParseAs<ListCommand>({"list"}).prefix, "");
  EXPECT_EQ(ParseAs<ListCommand>({"list", "org/"}).prefix, "org/");
  EXPECT_EQ(ParseAs<ShowCommand>({"show", "org/m"}).reference.tag, "latest");
  const auto tag = ParseAs<TagCommand>({"tag", "org/m@0123abcd", "prod"});
  EXPECT_EQ(tag.reference.revision_prefix, "0123abcd");
  EXPECT_EQ(tag.tag, "prod");
  EXPECT_EQ(ParseAs<DeleteCommand>({"delete", "org/m:x"}).reference.tag, "x");
  EXPECT_EQ(ParseAs<VerifyCommand>({"verify", "org/m"}).reference.model,
            "org/m");
  EXPECT_EQ(ParseAs<BackupCommand>({"backup", "b1"}).name, "b1");
  ParseAs<ScrubStatusCommand>({"scrub-status"});
}

TEST(CommandLineTest, ReadsTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_SERVER", "env:1"},
                                   {"QSTORE_JSON", "1"},
                                   {"QSTORE_PRECISION", "int8"},
                                   {"QSTORE_MEMORY", "2GiB"}});
  const ParsedCommandLine parsed = Parse({"download", "org/m", "out"});
  ASSERT_TRUE(parsed.command_line.has_value()) << parsed.error;
  EXPECT_EQ(parsed.command_line->session.server, "env:1");
  EXPECT_TRUE(parsed.command_line->json);
  const client::DownloadOptions& options =
      std::get<DownloadCommand>(parsed.command_line->command).options;
  EXPECT_EQ(options.precision, "int8");
  EXPECT_EQ(options.memory_bytes, uint64_t{2} << 30);
}

TEST(CommandLineTest, ReadsUploadOptionsFromTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_EXCLUDE", "a*,b*"},
                                   {"QSTORE_QUANTIZER", "none"},
                                   {"QSTORE_INT8_CODER", "sliced"},
                                   {"QSTORE_NO_DEFAULT_EXCLUDES", "1"}});
  const client::UploadOptions options =
      ParseAs<UploadCommand>({"upload", "dir", "org/m"}).options;
  EXPECT_THAT(options.exclude, ElementsAre("a*", "b*"));
  EXPECT_EQ(options.quantizer, "none");
  EXPECT_EQ(options.int8_coder, "sliced");
  EXPECT_TRUE(options.no_default_excludes);
}

// CLI11 2.4 by itself would take the default instead.
TEST(CommandLineTest, RefusesWhatVariablesMayNotBe) {
  for (const auto& [name, value] :
       ScopedEnvironment::Variables{{"QSTORE_CONNECT_TIMEOUT", "0"},
                                    {"QSTORE_RETRY_FOR", "-1"},
                                    {"QSTORE_PRECISION", "int4"},
                                    {"QSTORE_FORMAT", "gguf"},
                                    {"QSTORE_DECODE_THREADS", "many"},
                                    {"QSTORE_MEMORY", "512"}}) {
    const ScopedEnvironment environment(
        ScopedEnvironment::Variables{{name, value}});
    const ParsedCommandLine parsed = Parse({"download", "org/m", "out"});
    EXPECT_FALSE(parsed.command_line.has_value()) << name;
    EXPECT_EQ(parsed.exit_code, kExitUsage) << name;
    EXPECT_THAT(parsed.error, HasSubstr(value)) << name;
    EXPECT_THAT(parsed.error, HasSubstr(name)) << name;
  }
}

TEST(CommandLineTest, ArgumentsWinOverTheEnvironment) {
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_SERVER", "env:1"}});
  const ParsedCommandLine parsed = Parse({"list", "--server", "argument:2"});
  ASSERT_TRUE(parsed.command_line.has_value());
  EXPECT_EQ(parsed.command_line->session.server, "argument:2");
}

TEST(CommandLineTest, VariablesOfOtherCommandsDoNotCount) {
  const ScopedEnvironment environment(ScopedEnvironment::Variables{
      {"QSTORE_PRECISION", "int9"}, {"QSTORE_DECODE_THREADS", "abc"}});
  EXPECT_TRUE(Parse({"list"}).command_line.has_value());
  EXPECT_TRUE(Parse({"upload", "dir", "org/m"}).command_line.has_value());
  EXPECT_THAT(Parse({"download", "org/m", "out"}).error,
              HasSubstr("the variable QSTORE_"));
  const std::string error =
      Parse({"download", "org/m", "out", "--precision", "int7"}).error;
  EXPECT_THAT(error, HasSubstr("--precision"));
}

TEST(CommandLineTest, AddressesAreChecked) {
  const auto error = [](const char* server) {
    return Parse({"list", "--server", server}).error;
  };
  EXPECT_THAT(error("http://h:1"), HasSubstr("without it"));
  EXPECT_THAT(error("127.0.0.1:99999"), HasSubstr("65535"));
  EXPECT_THAT(error("127.0.0.1:abc"), HasSubstr("\"abc\""));
  for (const char* server : {"h:1", "[::1]:7350", "unix:/run/q", "dns:///h"}) {
    EXPECT_EQ(error(server), "") << server;
  }
}

TEST(CommandLineTest, NamesAreNoAddresses) {
  for (const char* name : {"hf://org/mini", "localhost:7350/org/mini"}) {
    EXPECT_THAT(Parse({"show", name}).error, HasSubstr("which --server has"));
  }
}

TEST(CommandLineTest, DownloadsGoIntoADirectory) {
  EXPECT_THAT(Parse({"download", "org/m", ""}).error, HasSubstr("is empty"));
  EXPECT_THAT(Parse({"download", "org/m", "-"}).error,
              HasSubstr("directory of files"));
}

TEST(CommandLineTest, CaseOfChoicesDoesNotMatter) {
  EXPECT_EQ(ParseAs<DownloadCommand>(
                {"download", "org/m", "out", "--precision", "INT8"})
                .options.precision,
            "int8");
  const ScopedEnvironment environment(
      ScopedEnvironment::Variables{{"QSTORE_PRECISION", "FP16"}});
  EXPECT_EQ(
      ParseAs<DownloadCommand>({"download", "org/m", "out"}).options.precision,
      "fp16");
}

TEST(CommandLineTest, TimesMayHaveUnits) {
  const auto seconds = [](const char* time) {
    const ParsedCommandLine parsed = Parse({"list", "--retry-for", time});
    EXPECT_TRUE(parsed.command_line.has_value()) << parsed.error;
    return parsed.command_line->session.retry_seconds;
  };
  EXPECT_EQ(seconds("90"), 90);
  EXPECT_EQ(seconds("0.5"), 0.5);
  EXPECT_EQ(seconds("90s"), 90);
  EXPECT_EQ(seconds("1m"), 60);
  EXPECT_EQ(seconds("2h"), 7200);
  EXPECT_NE(Parse({"list", "--retry-for", "1 parsec"}).error, "");
}

TEST(CommandLineTest, OnlyMovingAModelWaitsForAServerThatIsDown) {
  const auto first_contact = [](const std::vector<const char*>& arguments) {
    const ParsedCommandLine parsed = Parse(arguments);
    EXPECT_TRUE(parsed.command_line.has_value()) << parsed.error;
    return parsed.command_line->session.first_contact_seconds;
  };
  EXPECT_EQ(first_contact({"list"}), 2);
  EXPECT_GE(first_contact({"list", "--retry-for", "60"}), 60);
  EXPECT_GE(first_contact({"download", "org/m", "out"}), 60);
  EXPECT_GE(first_contact({"push", "dir", "org/m"}), 60);
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
           {"download", "org/m", "out", "--memory", "512"},
           {"download", "org/m", "out", "--memory", "2 parsecs"},
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

TEST(CommandLineTest, TakesSizesWithTheirUnits) {
  const auto bytes_of = [](const char* size) {
    return ParseAs<DownloadCommand>(
               {"download", "org/m", "out", "--memory", size})
        .options.memory_bytes;
  };
  EXPECT_EQ(bytes_of("2GiB"), uint64_t{2} << 30);
  EXPECT_EQ(bytes_of("64 MiB"), uint64_t{64} << 20);
  EXPECT_EQ(bytes_of("2GB"), 2'000'000'000u);
  EXPECT_EQ(bytes_of("1048576"), uint64_t{1} << 20);
  EXPECT_THAT(Parse({"download", "org/m", "out", "--memory", "512"}).error,
              HasSubstr("give a unit, as in 512MiB"));
  EXPECT_EQ(ParseAs<DownloadCommand>({"download", "org/m", "out"})
                .options.memory_bytes,
            uint64_t{512} << 20);
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
}  // namespace qstore::cli
