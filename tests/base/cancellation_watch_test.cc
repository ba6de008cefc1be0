#include "base/cancellation_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/byte_budget.h"

namespace qstore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class CancellationWatchTest : public ::testing::Test {
 protected:
  Timer timer_;
  CancellationWatch watch_{&timer_};
};

TEST_F(CancellationWatchTest, WakesOnceSoonAfterTheCallIsOver) {
  std::atomic<bool> over = false;
  std::atomic<int> woken_count = 0;
  absl::Notification woken;
  const std::function<bool()> cancelled = [&] { return over.load(); };
  const std::function<void()> wake = [&] {
    if (++woken_count == 1) woken.Notify();
  };
  const CancellationWatch::Waiter waiter(&watch_, cancelled, wake);
  EXPECT_FALSE(woken.WaitForNotificationWithTimeout(absl::Milliseconds(150)));
  over = true;
  EXPECT_TRUE(woken.WaitForNotificationWithTimeout(absl::Seconds(5)));
  std::this_thread::sleep_for(3 * CancellationWatch::kInterval);
  EXPECT_EQ(woken_count, 1);
}

TEST_F(CancellationWatchTest, NobodyIsAskedAfterTheWait) {
  std::atomic<int> asked = 0;
  const std::function<void()> wake = [] { ADD_FAILURE(); };
  {
    const std::function<bool()> cancelled = [&] {
      ++asked;
      return false;
    };
    const CancellationWatch::Waiter waiter(&watch_, cancelled, wake);
    while (asked < 2) std::this_thread::sleep_for(milliseconds(1));
  }
  const int asked_in_all = asked;
  std::this_thread::sleep_for(3 * CancellationWatch::kInterval);
  EXPECT_EQ(asked, asked_in_all);
}

// The functions of a waiter may go as soon as it has.
TEST_F(CancellationWatchTest, AWaiterGoesOnlyWhenItIsLeftAlone) {
  absl::Notification asking;
  std::atomic<bool> asking_over = false;
  {
    const std::function<bool()> cancelled = [&] {
      if (!asking.HasBeenNotified()) asking.Notify();
      std::this_thread::sleep_for(milliseconds(30));
      asking_over = true;
      return false;
    };
    const std::function<void()> wake = [] {};
    const CancellationWatch::Waiter waiter(&watch_, cancelled, wake);
    asking.WaitForNotification();
  }
  EXPECT_TRUE(asking_over);
}

TEST_F(CancellationWatchTest, ACancelledWaiterOfABudgetLeavesSoon) {
  ByteBudget budget(100, &watch_);
  const ByteBudget::Lease held = budget.Acquire(100);
  std::atomic<bool> over = false;
  std::vector<std::jthread> threads;
  std::atomic<int64_t> slowest_ms = 0;
  steady_clock::time_point cancelled_at;
  constexpr size_t kWaiters = 8;
  threads.reserve(kWaiters);
  for (size_t i = 0; i < kWaiters; ++i) {
    threads.emplace_back([&] {
      EXPECT_FALSE(budget.AcquireUnless(1, [&] { return over.load(); }));
      const auto late = std::chrono::duration_cast<milliseconds>(
          steady_clock::now() - cancelled_at);
      int64_t known = slowest_ms;
      while (known < late.count() &&
             !slowest_ms.compare_exchange_weak(known, late.count())) {
      }
    });
  }
  while (budget.waiting_count() < kWaiters) std::this_thread::yield();
  cancelled_at = steady_clock::now();
  over = true;
  threads.clear();
  // Asked ten times a second; the rest is for a busy machine.
  EXPECT_LT(slowest_ms, 5000);
  EXPECT_EQ(budget.waiting_count(), 0u);
}

// How often the thread `id` has gone to sleep so far.
uint64_t SleepCount(pid_t id) {
  std::ifstream status("/proc/self/task/" + std::to_string(id) + "/status");
  const std::string name = "voluntary_ctxt_switches:";
  std::string word;
  uint64_t count = 0;
  while (status >> word) {
    if (word == name) {
      status >> count;
      return count;
    }
  }
  ADD_FAILURE() << "the kernel does not tell of thread " << id;
  return count;
}

TEST_F(CancellationWatchTest, TheTimerSleepsWhileNobodyWaits) {
  pid_t timer_thread = 0;
  absl::Notification known;
  timer_.Schedule(steady_clock::now(), [&] {
    timer_thread = gettid();
    known.Notify();
  });
  known.WaitForNotification();
  ByteBudget budget(100, &watch_);
  {
    ByteBudget::Lease held = budget.Acquire(100);
    std::atomic<int> asked = 0;
    std::jthread waiting([&] {
      EXPECT_TRUE(budget.AcquireUnless(50, [&] {
        ++asked;
        return false;
      }));
    });
    const uint64_t before = SleepCount(timer_thread);
    while (asked < 3) std::this_thread::sleep_for(milliseconds(1));
    EXPECT_GE(SleepCount(timer_thread), before + 2);  // the count counts
    held.Release();
  }
  // The round that was under way may still find that nobody is left.
  std::this_thread::sleep_for(2 * CancellationWatch::kInterval);
  const uint64_t before = SleepCount(timer_thread);
  std::this_thread::sleep_for(6 * CancellationWatch::kInterval);
  EXPECT_EQ(SleepCount(timer_thread), before);
}

}  // namespace
}  // namespace qstore
