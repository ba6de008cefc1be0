#include "server/limits/stall_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace qstore::server {
namespace {

using std::chrono::milliseconds;

void WaitUntil(const std::function<bool()>& condition) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_TRUE(condition());
}

TEST(StallWatch, OnlyWhoWaitsTooLongIsCancelled) {
  Timer timer;
  StallWatch watch(milliseconds(40), &timer);
  std::atomic<int> stalled_cancels = 0;
  std::atomic<int> other_cancels = 0;
  StallWatch::Call stalled(&watch, [&] { ++stalled_cancels; });
  StallWatch::Call working(&watch, [&] { ++other_cancels; });
  StallWatch::Call finished(&watch, [&] { ++other_cancels; });
  finished.BeginWait();
  finished.EndWait();
  stalled.BeginWait();
  WaitUntil([&] { return stalled.stalled(); });
  std::this_thread::sleep_for(milliseconds(60));
  EXPECT_EQ(stalled_cancels, 1);
  EXPECT_EQ(other_cancels, 0);
  EXPECT_FALSE(working.stalled());
}

TEST(StallWatch, ACallMayEndWhileItIsCancelled) {
  Timer timer;
  StallWatch watch(milliseconds(10), &timer);
  std::unique_ptr<StallWatch::Call> call;
  std::atomic<bool> over = false;
  call = std::make_unique<StallWatch::Call>(&watch, [&] {
    call.reset();
    over = true;
  });
  call->BeginWait();
  WaitUntil([&] { return over.load(); });
}

TEST(StallWatch, WhatACallUsesMayGoOnceItHas) {
  Timer timer;
  StallWatch watch(milliseconds(10), &timer);
  std::atomic<bool> cancelling = false;
  std::atomic<bool> cancelled = false;
  {
    StallWatch::Call call(&watch, [&] {
      cancelling = true;
      std::this_thread::sleep_for(milliseconds(30));
      cancelled = true;
    });
    call.BeginWait();
    WaitUntil([&] { return cancelling.load(); });
  }
  EXPECT_TRUE(cancelled);
}

TEST(StallWatch, ZeroIsNever) {
  Timer timer;
  StallWatch watch(milliseconds(0), &timer);
  StallWatch::Call call(&watch, [] { ADD_FAILURE(); });
  call.BeginWait();
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(call.stalled());
}

TEST(StallWatch, MayEndACallBeforeItsTime) {
  Timer timer;
  for (const auto timeout : {milliseconds(0), milliseconds(3'600'000)}) {
    StallWatch watch(timeout, &timer);
    std::atomic<int> cancels = 0;
    StallWatch::Call call(&watch, [&] { ++cancels; });
    call.BeginWait();
    std::this_thread::sleep_for(milliseconds(5));
    EXPECT_GE(call.waited(), milliseconds(5));
    EXPECT_FALSE(call.expired());
    call.Expire();
    call.EndWait();  // changes nothing
    WaitUntil([&] { return cancels == 1; });
    EXPECT_TRUE(call.stalled() && call.expired());
    EXPECT_EQ(call.waited(), milliseconds(0));
  }
}

}  // namespace
}  // namespace qstore::server
