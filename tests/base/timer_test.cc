#include "base/timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace qstore {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

Timer::TimePoint In(milliseconds delay) {
  return std::chrono::steady_clock::now() + delay;
}

// Keeps the timer's thread busy until it is opened, so that a test's callbacks
// run after it has scheduled and cancelled all of them, however slow it is.
class Gate {
 public:
  explicit Gate(Timer* timer) {
    timer->Schedule(Timer::TimePoint::min(), [this] {
      closed_.Notify();
      opened_.WaitForNotification();
    });
    closed_.WaitForNotification();
  }
  void Open() { opened_.Notify(); }

 private:
  absl::Notification closed_;
  absl::Notification opened_;
};

TEST(TimerTest, CallsInTheOrderOfTimesThenOfScheduling) {
  std::vector<int> order;
  absl::Notification last;
  Timer timer;
  Gate gate(&timer);
  const Timer::TimePoint now = In(milliseconds(0));
  timer.Schedule(now + milliseconds(20), [&] {
    order.push_back(4);
    last.Notify();
  });
  timer.Schedule(now, [&] { order.push_back(2); });
  timer.Schedule(now, [&] { order.push_back(3); });
  timer.Schedule(now - milliseconds(20), [&] { order.push_back(1); });
  gate.Open();
  last.WaitForNotification();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
}

TEST(TimerTest, WakesUpForWhatIsEarlierThanItSleepsFor) {
  Timer timer;
  timer.Schedule(In(std::chrono::hours(1)), [] { ADD_FAILURE(); });
  std::this_thread::sleep_for(milliseconds(5));
  absl::Notification earlier;
  timer.Schedule(In(milliseconds(10)), [&] { earlier.Notify(); });
  earlier.WaitForNotification();
}

TEST(TimerTest, CallsNotBeforeTheTimeAndAtOnceWhatIsPast) {
  Timer timer;
  absl::Notification past;
  timer.Schedule(In(milliseconds(-1000)), [&] { past.Notify(); });
  timer.Schedule(Timer::TimePoint::min(), [] {});
  past.WaitForNotification();
  const Timer::TimePoint when = In(milliseconds(30));
  Timer::TimePoint called;
  absl::Notification done;
  timer.Schedule(when, [&] {
    called = std::chrono::steady_clock::now();
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_GE(called, when);
  // The thread's own business, far from the 60 s that it may sleep at once.
  EXPECT_LT(called, when + std::chrono::seconds(10));
}

TEST(TimerTest, WhatIsCancelledBeforeItsTimeIsNotCalled) {
  Timer timer;
  Gate gate(&timer);
  std::atomic<bool> called = false;
  const Timer::TimePoint when = In(milliseconds(5));
  const Timer::Id cancelled = timer.Schedule(when, [&] { called = true; });
  absl::Notification later;
  timer.Schedule(when + milliseconds(1), [&] { later.Notify(); });
  EXPECT_TRUE(timer.Cancel(cancelled));
  EXPECT_FALSE(timer.Cancel(cancelled));
  gate.Open();
  later.WaitForNotification();
  EXPECT_FALSE(called);
}

TEST(TimerTest, CancelWaitsForARunningCallbackAndTryCancelDoesNot) {
  Timer timer;
  absl::Notification running;
  absl::Notification go_on;
  std::atomic<bool> over = false;
  const Timer::Id id = timer.Schedule(In(milliseconds(0)), [&] {
    running.Notify();
    go_on.WaitForNotification();
    over = true;
  });
  running.WaitForNotification();
  EXPECT_FALSE(timer.TryCancel(id));
  EXPECT_FALSE(over);
  std::jthread releasing([&] {
    std::this_thread::sleep_for(milliseconds(20));
    go_on.Notify();
  });
  EXPECT_FALSE(timer.Cancel(id));
  EXPECT_TRUE(over);
}

TEST(TimerTest, CancelDoesNotWaitForOtherCallbacks) {
  absl::Notification running;
  absl::Notification go_on;
  // Its end waits for the callback, which uses the others.
  Timer timer;
  timer.Schedule(In(milliseconds(0)), [&] {
    running.Notify();
    go_on.WaitForNotification();
  });
  running.WaitForNotification();
  const Timer::Id pending = timer.Schedule(In(milliseconds(0)), [] {});
  EXPECT_TRUE(timer.Cancel(pending));
  go_on.Notify();
}

TEST(TimerTest, ACallbackMayCancelItselfAndOthersAndSchedule) {
  Timer timer;
  EXPECT_FALSE(timer.InCallback());
  Gate gate(&timer);
  std::atomic<bool> other_called = false;
  absl::Notification done;
  std::atomic<Timer::Id> self = 0;
  const Timer::TimePoint when = In(milliseconds(0));
  const Timer::Id other =
      timer.Schedule(when + milliseconds(1), [&] { other_called = true; });
  self = timer.Schedule(when, [&] {
    EXPECT_TRUE(timer.InCallback());
    EXPECT_FALSE(timer.Cancel(self));
    EXPECT_TRUE(timer.Cancel(other));
    timer.Schedule(when + milliseconds(5), [&] { done.Notify(); });
  });
  gate.Open();
  done.WaitForNotification();
  EXPECT_FALSE(other_called);
}

TEST(TimerTest, ManyTimersAreCalledOnceEachInOrder) {
  constexpr int kCount = 20'000;
  Timer timer;
  Gate gate(&timer);
  std::vector<Timer::TimePoint> called;  // on the timer's thread alone
  called.reserve(kCount);
  std::minstd_rand random(7);
  std::vector<Timer::Id> cancelled;
  cancelled.reserve(kCount);
  const Timer::TimePoint begin = In(milliseconds(0));
  for (int i = 0; i < kCount; ++i) {
    const auto when = begin + std::chrono::microseconds(random() % 50'000);
    timer.Schedule(when, [&called, when] { called.push_back(when); });
    cancelled.push_back(timer.Schedule(when, [] { ADD_FAILURE(); }));
  }
  for (const Timer::Id id : cancelled) EXPECT_TRUE(timer.TryCancel(id));
  absl::Notification done;
  timer.Schedule(begin + milliseconds(60), [&] { done.Notify(); });
  gate.Open();
  done.WaitForNotification();
  EXPECT_EQ(called.size(), static_cast<size_t>(kCount));
  EXPECT_TRUE(std::is_sorted(called.begin(), called.end()));
}

TEST(TimerTest, ManyThreadsScheduleAndCancel) {
  std::atomic<int> called = 0;
  std::atomic<int> cancelled = 0;
  constexpr int kThreads = 4;
  constexpr int kEach = 2'000;
  {
    Timer timer;
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          const Timer::Id id =
              timer.Schedule(In(milliseconds(0)), [&] { ++called; });
          if (timer.Cancel(id)) ++cancelled;
        }
      });
    }
  }
  EXPECT_EQ(called + cancelled, kThreads * kEach);
}

TEST(TimerTest, DestructionWaitsForWhatRunsAndCallsNothingMore) {
  std::atomic<bool> first_over = false;
  std::atomic<bool> second_called = false;
  const auto held = std::make_shared<int>(1);
  {
    Timer timer;
    absl::Notification running;
    timer.Schedule(In(milliseconds(0)), [&] {
      running.Notify();
      std::this_thread::sleep_for(milliseconds(20));
      first_over = true;
    });
    running.WaitForNotification();
    timer.Schedule(In(milliseconds(0)), [&, held] { second_called = true; });
  }
  EXPECT_TRUE(first_over);
  EXPECT_FALSE(second_called);
  EXPECT_EQ(held.use_count(), 1);  // what callbacks hold goes with them
}

TEST(AlarmTest, RingsAtTheEarliestOfItsTimesAndOnlyOnce) {
  Timer timer;
  Gate gate(&timer);
  std::atomic<int> rung = 0;
  absl::Notification first;
  Alarm alarm(&timer, [&] {
    if (++rung == 1) first.Notify();
  });
  alarm.SetNoLaterThan(In(std::chrono::hours(1)));
  alarm.SetNoLaterThan(In(milliseconds(20)));
  alarm.SetNoLaterThan(In(milliseconds(40)));
  gate.Open();
  first.WaitForNotification();
  std::this_thread::sleep_for(milliseconds(60));
  EXPECT_EQ(rung, 1);
}

TEST(AlarmTest, MaySetItself) {
  Timer timer;
  int rung = 0;
  absl::Notification third;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>(&timer, [&] {
    if (++rung == 3) {
      third.Notify();
    } else {
      alarm->SetNoLaterThan(In(milliseconds(1)));
    }
  });
  alarm->SetNoLaterThan(In(milliseconds(0)));
  third.WaitForNotification();
}

// Stop comes at every moment of one that sets itself without end.
TEST(AlarmTest, NothingRingsOnceItIsStopped) {
  Timer timer;
  for (int i = 0; i < 200; ++i) {
    auto state = std::make_unique<std::atomic<int>>(0);
    std::unique_ptr<Alarm> alarm;
    alarm = std::make_unique<Alarm>(&timer, [&] {
      ++*state;
      alarm->SetNoLaterThan(std::chrono::steady_clock::now());
    });
    alarm->SetNoLaterThan(std::chrono::steady_clock::now());
    for (int spin = 0; spin < 17 * i; ++spin)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    alarm->Stop();
    const int rung = *state;
    alarm->SetNoLaterThan(std::chrono::steady_clock::now());
    std::this_thread::yield();
    EXPECT_EQ(*state, rung);
    alarm.reset();
  }
}

TEST(AlarmTest, MayStopItself) {
  Timer timer;
  std::atomic<int> rung = 0;
  std::unique_ptr<Alarm> alarm;
  absl::Notification done;
  alarm = std::make_unique<Alarm>(&timer, [&] {
    ++rung;
    alarm->Stop();
    alarm->SetNoLaterThan(std::chrono::steady_clock::now());
    done.Notify();
  });
  alarm->SetNoLaterThan(std::chrono::steady_clock::now());
  done.WaitForNotification();
  std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(rung, 1);
}

}  // namespace
}  // namespace qstore
