#include "base/failpoints/failpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

namespace qstore::failpoint {
namespace {

constexpr size_t kPoint = IndexOf("read.value");
constexpr size_t kOther = IndexOf("read.open");

class FailpointTest : public ::testing::Test {
 protected:
  void TearDown() override { DisarmAll(); }
};

TEST_F(FailpointTest, TableHasEnoughNamesAndEachOnce) {
  const std::set<std::string_view> names(std::begin(kNames), std::end(kNames));
  EXPECT_EQ(names.size(), kCount);
  EXPECT_GE(kCount, 30u);
}

TEST_F(FailpointTest, UnarmedIsOk) {
  EXPECT_TRUE(Hit(kPoint).ok());
  ASSERT_TRUE(Arm("read.open=error(INTERNAL)").ok());
  EXPECT_TRUE(Hit(kPoint).ok());
  EXPECT_FALSE(Hit(kOther).ok());
}

TEST_F(FailpointTest, ErrorHasTheCodeAndNamesThePoint) {
  ASSERT_TRUE(Arm("read.value=error(DATA_LOSS)").ok());
  const uint64_t before = FiredCount(kPoint);
  const absl::Status status = Hit(kPoint);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(), "failpoint read.value");
  EXPECT_EQ(FiredCount(kPoint), before + 1);
  DisarmAll();
  EXPECT_TRUE(Hit(kPoint).ok());
}

TEST_F(FailpointTest, TimesAndFirstHit) {
  ASSERT_TRUE(Arm("read.value=2*error(INTERNAL)@3").ok());
  std::string hits;
  for (int i = 0; i < 6; ++i) hits += Hit(kPoint).ok() ? '.' : 'x';
  EXPECT_EQ(hits, "..xx..");
}

TEST_F(FailpointTest, ProbabilityFollowsFromTheSeed) {
  const auto pattern = [](const std::string& seed) {
    EXPECT_TRUE(Arm("seed=" + seed + "; read.value=30%error(INTERNAL)").ok());
    std::string hits;
    for (int i = 0; i < 1000; ++i) hits += Hit(kPoint).ok() ? '.' : 'x';
    return hits;
  };
  const std::string one = pattern("1");
  EXPECT_NEAR(std::count(one.begin(), one.end(), 'x'), 300, 60);
  EXPECT_EQ(pattern("1"), one);
  EXPECT_NE(pattern("2"), one);
}

TEST_F(FailpointTest, DelayWaits) {
  ASSERT_TRUE(Arm("read.value=1*delay(30)").ok());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Hit(kPoint).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(30));
}

TEST_F(FailpointTest, CrashIsSigkill) {
  EXPECT_EXIT(
      {
        Arm("read.value=crash").IgnoreError();
        Hit(kPoint).IgnoreError();
      },
      ::testing::KilledBySignal(SIGKILL), "failpoint read.value: crash");
}

TEST_F(FailpointTest, WhatCannotBeReadIsQuoted) {
  for (const std::string text :
       {"read.value", "read.value=", "read.value=explode", "read.bob=crash",
        "read.value=error(FINE)", "read.value=error", "read.value=delay(x)",
        "read.value=101%crash", "read.value=crash@0", "read.value=x*crash",
        "seed=x"}) {
    const absl::Status status = Arm(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(std::string(status.message()).find("\"" + text + "\""),
              std::string::npos)
        << status;
  }
}

}  // namespace
}  // namespace qstore::failpoint
