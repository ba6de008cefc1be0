#include "server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

namespace qstore::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Command Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "qstored");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

ServerOptions Options(const std::vector<const char*>& arguments) {
  const Command command = Parse(arguments);
  const auto* serve = std::get_if<ServeCommand>(&command);
  EXPECT_NE(serve, nullptr);
  return serve == nullptr ? ServerOptions() : serve->options;
}

// An environment variable for the life of this object. These tests have one
// thread.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    setenv(name, value, 1);  // NOLINT(concurrency-mt-unsafe)
  }
  ~ScopedVariable() {
    unsetenv(name_);  // NOLINT(concurrency-mt-unsafe)
  }

 private:
  const char* name_;
};

TEST(Options, Defaults) {
  const ServerOptions options = Options({"--data-dir", "d"});
  EXPECT_EQ(options.listen, "127.0.0.1:7350");
  EXPECT_EQ(options.data_dir, "d");
  EXPECT_EQ(options.engine, "rocksdb");
  EXPECT_EQ(options.ingest_memory_bytes, 384u << 20);
  EXPECT_EQ(options.calls.uploads, 8u);
  EXPECT_EQ(options.calls.downloads, 64u);
  EXPECT_EQ(options.grace_seconds, 30u);
  EXPECT_TRUE(options.verify_ingest);
  EXPECT_EQ(options.backup_dir, "");
  EXPECT_EQ(options.scrub_interval_hours, 168u);
  EXPECT_EQ(options.scrub_bytes_per_second, 16u << 20);
}

TEST(Options, FlagsAndEnvironment) {
  const ScopedVariable directory("QSTORE_DATA_DIR", "from-environment");
  const ScopedVariable memory("QSTORE_INGEST_MEMORY", "500MiB");
  const ScopedVariable verify("QSTORE_VERIFY_INGEST", "off");
  ServerOptions options = Options({});
  EXPECT_EQ(options.data_dir, "from-environment");
  EXPECT_EQ(options.ingest_memory_bytes, 500u << 20);
  EXPECT_FALSE(options.verify_ingest);
  options = Options({"--data-dir", "from-flag", "--ingest-memory", "600MiB"});
  EXPECT_EQ(options.data_dir, "from-flag");
  EXPECT_EQ(options.ingest_memory_bytes, 600u << 20);
  options = Options({"--data-dir", "d", "--scrub-rate", "3MiB",
                     "--scrub-interval", "0", "--backup-dir", "b"});
  EXPECT_EQ(options.scrub_bytes_per_second, 3u << 20);
  EXPECT_EQ(options.scrub_interval_hours, 0u);
  EXPECT_EQ(options.backup_dir, "b");
}

TEST(Options, MemoryLimitSetsWhatIsNotGiven) {
  ServerOptions options =
      Options({"--data-dir", "d", "--memory-limit", "512MiB"});
  EXPECT_EQ(options.memory_limit_bytes, 512u << 20);
  EXPECT_LT(options.calls.uploads, 8u);
  EXPECT_LT(options.ingest_memory_bytes, 384u << 20);
  EXPECT_LT(options.calls.downloads, 64u);
  const uint64_t cache_bytes = options.block_cache_bytes;
  const ScopedVariable limit("QSTORE_MEMORY_LIMIT", "512MiB");
  const ScopedVariable uploads("QSTORE_MAX_UPLOADS", "1");
  options = Options({"--data-dir", "d", "--max-downloads", "40"});
  EXPECT_EQ(options.calls.uploads, 1u);
  EXPECT_EQ(options.calls.downloads, 40u);
  EXPECT_GE(options.block_cache_bytes, cache_bytes);
}

TEST(Options, SpaceAndWaiting) {
  const ServerOptions options =
      Options({"--data-dir", "d", "--quota", "org/=1GiB", "--quota",
               "a/=2MiB,b/=3MiB", "--disk-reserve", "7MiB", "--queue-timeout",
               "5", "--max-queued", "9", "--stall-timeout", "0"});
  ASSERT_EQ(options.quotas.size(), 3u);
  EXPECT_EQ(options.quotas[2].prefix, "b/");
  EXPECT_EQ(options.quotas[2].max_bytes, 3u << 20);
  EXPECT_EQ(options.disk_reserve_bytes, 7u << 20);
  EXPECT_EQ(options.calls.queue_timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.calls.queued, 9u);
  EXPECT_EQ(options.stall_timeout_seconds, 0u);
  EXPECT_EQ(Options({"--data-dir", "d"}).disk_reserve_bytes, std::nullopt);
}

TEST(Options, ANumberWithoutItsUnitSaysHowToWriteIt) {
  const Command command = Parse({"--data-dir", "d", "--ingest-memory", "384"});
  ASSERT_TRUE(std::holds_alternative<ExitCommand>(command));
  EXPECT_THAT(std::get<ExitCommand>(command).text,
              HasSubstr("--ingest-memory: \"384\" is 384 bytes, but 1MiB to "
                        "16TiB are allowed: write a unit, as in 64MiB"));
}

// CLI11 2.4 by itself would take the default instead.
TEST(Options, VariablesAreRefusedAsFlagsAre) {
  const std::vector<std::pair<const char*, const char*>> variables = {
      {"QSTORE_MEMORY_LIMIT", "4096"}, {"QSTORE_GRACE", "-1"},
      {"QSTORE_MAX_UPLOADS", "many"},  {"QSTORE_LOG_LEVEL", "loud"},
      {"QSTORE_VERIFY_INGEST", "yes"}, {"QSTORE_SCRUB_INTERVAL", "1d"},
      {"QSTORE_DISK_RESERVE", "5%"},   {"QSTORE_STALL_TIMEOUT", "90000"}};
  for (const auto& [name, value] : variables) {
    std::string flag = "--";
    for (const char letter : std::string(name).substr(7)) {
      flag += letter == '_' ? '-' : static_cast<char>(std::tolower(letter));
    }
    const Command as_flag = Parse({"--data-dir", "d", flag.c_str(), value});
    ASSERT_TRUE(std::holds_alternative<ExitCommand>(as_flag)) << flag;
    const ScopedVariable variable(name, value);
    const Command as_variable = Parse({"--data-dir", "d"});
    ASSERT_TRUE(std::holds_alternative<ExitCommand>(as_variable)) << name;
    std::string sentence = std::get<ExitCommand>(as_flag).text;
    sentence.replace(sentence.find(flag + ":"), flag.size(),
                     absl::StrCat("the variable ", name));
    EXPECT_EQ(std::get<ExitCommand>(as_variable).text, sentence);
  }
}

TEST(Options, ZeroIsASizeWhereItMeansNone) {
  const ServerOptions options =
      Options({"--data-dir", "d", "--download-buffer", "0", "--disk-reserve",
               "0", "--memory-limit", "0"});
  EXPECT_EQ(options.download_buffer_bytes, 0u);
  EXPECT_EQ(options.disk_reserve_bytes, 0u);
}

TEST(Options, OtherCommands) {
  const Command version = Parse({"--version"});
  EXPECT_EQ(std::get<ExitCommand>(version).exit_code, 0);
  EXPECT_THAT(std::get<ExitCommand>(version).text, HasSubstr("qstored 0."));
  const Command help = Parse({"--help"});
  EXPECT_EQ(std::get<ExitCommand>(help).exit_code, 0);
  EXPECT_THAT(std::get<ExitCommand>(help).text,
              HasSubstr("QSTORE_MAX_UPLOADS"));
  EXPECT_THAT(std::get<ExitCommand>(help).text,
              AllOf(HasSubstr("--ingest-memory SIZE"), HasSubstr("384MiB")));
  const Command probe = Parse({"--health-check", "h:1"});
  EXPECT_EQ(std::get<HealthCheckCommand>(probe).address, "h:1");
}

TEST(Options, ErrorsAreOneSentence) {
  const std::vector<std::vector<const char*>> cases = {
      {},
      {"--nonsense"},
      {"--data-dir", "d", "--message-bytes", "8192"},  // went: a value is one
      {"--data-dir", "d", "--grace", "-1"},
      {"--data-dir", "d", "--ingest-memory", "many"},
      {"--data-dir", "d", "--ingest-memory", "384"},
      {"--data-dir", "d", "--block-cache", "0"},
      {"--data-dir", "d", "--max-header", "96MiB"},
      {"--data-dir", "d", "--max-uploads", "0"},
      {"--data-dir", "d", "--verify-ingest", "maybe"},
      {"--data-dir", "d", "--log-level", "loud"},
      {"--data-dir", "d", "--quota", "org/"},
      {"--data-dir", "d", "--memory-limit", "100MiB"},
      {"--data-dir", "d", "--memory-limit", "512MiB", "--ingest-memory",
       "500MiB"},
  };
  for (const auto& arguments : cases) {
    const Command command = Parse(arguments);
    const auto* exit = std::get_if<ExitCommand>(&command);
    ASSERT_NE(exit, nullptr);
    EXPECT_EQ(exit->exit_code, 2);
    EXPECT_THAT(exit->text, HasSubstr("--"));
    EXPECT_EQ(exit->text.find('\n'), std::string::npos) << exit->text;
  }
}

}  // namespace
}  // namespace qstore::server
