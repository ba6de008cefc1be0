#include "server/limits/quotas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

TEST(ParseQuota, Sizes) {
  const auto quota = ParseQuota("org/a=b/=3GiB");
  ASSERT_TRUE(quota.ok()) << quota.status();
  EXPECT_EQ(quota->prefix, "org/a=b/");
  EXPECT_EQ(quota->max_bytes, uint64_t{3} << 30);
  EXPECT_EQ(ParseQuota("=77")->max_bytes, 77u);
  EXPECT_EQ(ParseQuota("a=1TiB")->max_bytes, uint64_t{1} << 40);
  EXPECT_EQ(ParseQuota("a=1GB")->max_bytes, 1'000'000'000u);
  for (const char* text :
       {"", "org/", "org/=", "org/=0", "org/=GiB", "org/=-1", "org/=1GX",
        "org/=1.5GiB", "org/=9999999TiB", "org/=18446744073709551616"}) {
    const auto bad = ParseQuota(text);
    EXPECT_TRUE(absl::IsInvalidArgument(bad.status())) << text;
    EXPECT_THAT(std::string(bad.status().message()), HasSubstr("--quota"));
  }
}

TEST(Quotas, AllThatMatchApply) {
  Quotas quotas({{"org/", 100}, {"org/team/", 40}, {"other/", 1}});
  Quotas::Claim team(&quotas, "org/team/m");
  Quotas::Claim rest(&quotas, "org/m");
  EXPECT_TRUE(rest.Update(70).ok());
  EXPECT_TRUE(team.Update(30).ok());
  const absl::Status outer = team.Update(31);
  EXPECT_TRUE(absl::IsResourceExhausted(outer));
  EXPECT_THAT(std::string(outer.message()),
              HasSubstr("begin with \"org/\" is 100 B: others use 70 B, and "
                        "this upload takes 31 B"));
  EXPECT_TRUE(rest.Update(10).ok());
  EXPECT_TRUE(team.Update(40).ok());
  EXPECT_THAT(std::string(team.Update(41).message()),
              HasSubstr("\"org/team/\" is 40 B: others use 0 B"));
  // Names that only look alike are not of the prefix.
  Quotas::Claim foreign(&quotas, "organ/m");
  EXPECT_TRUE(foreign.Update(1000).ok());
}

TEST(Quotas, ClaimsGoUnlessKept) {
  Quotas quotas({{"", 100}});
  {
    Quotas::Claim dropped(&quotas, "a");
    EXPECT_TRUE(dropped.Update(90).ok());
    Quotas::Claim kept(&quotas, "b");
    EXPECT_FALSE(kept.Update(11).ok());
    EXPECT_TRUE(kept.Update(10).ok());
    kept.Keep();
  }
  Quotas::Claim next(&quotas, "c");
  EXPECT_FALSE(next.Update(91).ok());
  EXPECT_TRUE(next.Update(90).ok());
  quotas.Subtract("b", 10);
  EXPECT_TRUE(next.Update(100).ok());
  // What is above a lowered quota may still shrink.
  Quotas::Claim moved = std::move(next);
  EXPECT_TRUE(moved.Update(5).ok());
}

}  // namespace
}  // namespace qstore::server
