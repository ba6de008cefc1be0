#include "base/text/host_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace qstore {
namespace {

using ::testing::HasSubstr;

TEST(HostPortTest, TakesWhatPeopleWrite) {
  const auto name = ParseHostPort("store.example:7350");
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->host, "store.example");
  EXPECT_EQ(name->port, 7350);
  EXPECT_FALSE(name->is_loopback());
  const auto six = ParseHostPort("[::1]:65535");
  ASSERT_TRUE(six.ok()) << six.status();
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 65535);
  EXPECT_TRUE(six->is_loopback());
  EXPECT_TRUE(ParseHostPort("127.0.0.1:1")->is_loopback());
  EXPECT_TRUE(ParseHostPort("localhost:1")->is_loopback());
  // A free one.
  EXPECT_EQ(ParseHostPort("h:0", /*least_port=*/0)->port, 0);
}

TEST(HostPortTest, SaysWhatIsWrong) {
  const auto wrong = [](const std::string& text) {
    const auto parsed = ParseHostPort(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    return std::string(parsed.status().message());
  };
  EXPECT_THAT(wrong("http://h:1"), HasSubstr("begins with http://: give"));
  EXPECT_THAT(wrong("h"), HasSubstr("names no port"));
  EXPECT_THAT(wrong("h:"), HasSubstr("names no port"));
  EXPECT_THAT(wrong(""), HasSubstr("names no port"));
  EXPECT_THAT(wrong(":1"), HasSubstr("names no host"));
  EXPECT_THAT(wrong("[]:1"), HasSubstr("names no host"));
  EXPECT_THAT(wrong("::1:7350"), HasSubstr("in brackets"));
  EXPECT_THAT(wrong("[::1]"), HasSubstr("[ADDRESS]:PORT"));
  // 65536 further on in a number of 16 bits.
  for (const char* port :
       {"65536", "99999", "0", "-1", "+1", "abc", "1x", " 1", "4294967297"}) {
    EXPECT_THAT(wrong(std::string("127.0.0.1:") + port),
                HasSubstr("no number from 1 to 65535"));
  }
}

}  // namespace
}  // namespace qstore
