#include "server/limits/open_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace qstore::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPastPatience{1100};

class OpenCallsTest : public ::testing::Test {
 protected:
  struct Call {
    Call(StallWatch* watch, OpenCalls* calls, const std::string& address)
        : stall(watch, [this] { ended = true; }),
          open(calls, address, &stall) {}
    std::atomic<bool> ended = false;
    StallWatch::Call stall;
    OpenCalls::Call open;
  };
  std::unique_ptr<Call> Open(const std::string& address) {
    return std::make_unique<Call>(&watch_, &calls_, address);
  }
  static bool EndsSoon(const Call& call) {
    for (int i = 0; i < 1000 && !call.ended; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return call.ended;
  }

  Timer timer_;
  StallWatch watch_{std::chrono::minutes(5), &timer_};
  OpenCalls calls_{1000};
};

TEST_F(OpenCallsTest, WhatIsHeldIsBounded) {
  const auto first = Open("a");
  EXPECT_TRUE(first->open.Hold(600).ok());
  auto second = Open("a");
  EXPECT_TRUE(second->open.Hold(300).ok());
  const absl::Status refused = second->open.Hold(401);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_TRUE(refused.GetPayload("type.googleapis.com/google.rpc.RetryInfo")
                  .has_value());
  EXPECT_EQ(calls_.held_bytes(), 900u);
  EXPECT_TRUE(second->open.Hold(400).ok());
  EXPECT_TRUE(second->open.Hold(100).ok());
  EXPECT_EQ(calls_.held_bytes(), 700u);
  second.reset();
  EXPECT_EQ(calls_.held_bytes(), 600u);
  EXPECT_EQ(calls_.count(), 1u);
  EXPECT_FALSE(first->ended);
}

TEST_F(OpenCallsTest, WhoKeepsItWaitingMakesRoom) {
  const auto working = Open("a");
  ASSERT_TRUE(working->open.Hold(400).ok());
  const auto older = Open("a");
  ASSERT_TRUE(older->open.Hold(200).ok());
  older->open.AwaitClient();
  const auto newer = Open("a");
  ASSERT_TRUE(newer->open.Hold(200).ok());
  newer->open.AwaitClient();
  const auto of_another = Open("b");
  ASSERT_TRUE(of_another->open.Hold(200).ok());
  of_another->open.AwaitClient();
  // Every client may take a moment.
  const auto next = Open("c");
  EXPECT_TRUE(absl::IsResourceExhausted(next->open.Hold(100)));
  std::this_thread::sleep_for(kPastPatience);
  EXPECT_TRUE(next->open.Hold(200).ok());
  EXPECT_TRUE(EndsSoon(*older));
  EXPECT_TRUE(older->stall.expired());
  EXPECT_FALSE(newer->ended || of_another->ended || working->ended);
  // What has ended does not count twice.
  EXPECT_EQ(calls_.held_bytes(), 1000u);
  EXPECT_TRUE(next->open.Hold(600).ok());
  EXPECT_TRUE(EndsSoon(*newer));
  EXPECT_TRUE(EndsSoon(*of_another));
  EXPECT_TRUE(absl::IsResourceExhausted(next->open.Hold(601)));
  EXPECT_FALSE(working->ended);
}

}  // namespace
}  // namespace qstore::server
