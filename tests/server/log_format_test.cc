#include "server/log_format.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::server {
namespace {

using nlohmann::json;
using ::testing::MatchesRegex;

constexpr char kHostile[] = "a\nb\x1b[31m\u009b\u202e";
constexpr char kShown[] = "a\\nb\\x1b[31m\\u009b\\u202e";

class LogFormatTest : public ::testing::Test {
 protected:
  void Use(LogFormat format) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(lines_);
    sink->set_formatter(NewLogFormatter(format));
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::move(sink)));
  }
  void TearDown() override { spdlog::set_default_logger(before_); }

  std::ostringstream lines_;
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(LogFormatTest, TextIsOneLineWithTheTimeInUtc) {
  Use(LogFormat::kText);
  LogWithFields(spdlog::level::err, kHostile, {{"method", "Upload"}});
  EXPECT_THAT(lines_.str(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:"
                           "[0-9]{2}\\.[0-9]{3}Z \\[error\\] .*\n"));
  EXPECT_THAT(lines_.str(),
              ::testing::EndsWith(std::string("[error] ") + kShown + "\n"));
}

TEST_F(LogFormatTest, JsonHasTheFieldsOfItsMessageAlone) {
  Use(LogFormat::kJson);
  LogWithFields(spdlog::level::info, "first",
                {{"object", kHostile}, {"bytes", 5}});
  spdlog::warn("second {}", kHostile);
  std::istringstream lines(lines_.str());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_THAT(line, ::testing::Not(::testing::HasSubstr("\u202e")));
  const json first = json::parse(line);
  EXPECT_EQ(first["message"], "first");
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["object"], kHostile);
  EXPECT_EQ(first["bytes"], 5);
  EXPECT_THAT(first["time"].get<std::string>(), ::testing::EndsWith("Z"));
  ASSERT_TRUE(std::getline(lines, line));
  const json second = json::parse(line);
  EXPECT_EQ(second["message"], std::string("second ") + kShown);
  EXPECT_FALSE(second.contains("object"));
  EXPECT_FALSE(std::getline(lines, line));
}

}  // namespace
}  // namespace qstore::server
