#include "base/byte_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancellation_watch.h"
#include "base/timer.h"

namespace qstore {
namespace {

constexpr auto kLongEnoughToNotice = std::chrono::milliseconds(20);

void AwaitWaiters(const ByteBudget& budget, size_t count) {
  while (budget.waiting_count() < count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(ByteBudgetTest, LeasesGiveBackOnDestruction) {
  ByteBudget budget(100);
  EXPECT_EQ(budget.limit_bytes(), 100u);
  {
    const ByteBudget::Lease a = budget.Acquire(60);
    const ByteBudget::Lease b = budget.Acquire(40);
    EXPECT_EQ(budget.held_bytes(), 100u);
  }
  EXPECT_EQ(budget.held_bytes(), 0u);
}

TEST(ByteBudgetTest, MovedLeasesGiveBackOnce) {
  ByteBudget budget(100);
  ByteBudget::Lease a = budget.Acquire(60);
  ByteBudget::Lease b = std::move(a);
  EXPECT_EQ(budget.held_bytes(), 60u);
  ByteBudget::Lease c = budget.Acquire(10);
  c = std::move(b);  // gives back the ten
  EXPECT_EQ(budget.held_bytes(), 60u);
  c.Release();
  EXPECT_EQ(budget.held_bytes(), 0u);
  c.Release();
  EXPECT_EQ(budget.held_bytes(), 0u);
}

TEST(ByteBudgetTest, WaitsUntilBytesAreFree) {
  ByteBudget budget(100);
  ByteBudget::Lease first = budget.Acquire(70);
  std::atomic<bool> acquired = false;
  std::jthread waiter([&] {
    const ByteBudget::Lease second = budget.Acquire(31);
    acquired = true;
  });
  std::this_thread::sleep_for(kLongEnoughToNotice);
  EXPECT_FALSE(acquired);
  first.Release();
  waiter.join();
  EXPECT_TRUE(acquired);
  EXPECT_EQ(budget.held_bytes(), 0u);
}

TEST(ByteBudgetTest, OversizedRequestWaitsForAnEmptyBudgetAndThenPasses) {
  ByteBudget budget(100);
  ByteBudget::Lease small = budget.Acquire(1);
  std::atomic<bool> acquired = false;
  std::jthread waiter([&] {
    const ByteBudget::Lease oversized = budget.Acquire(1000);
    EXPECT_EQ(budget.held_bytes(), 1000u);
    acquired = true;
  });
  std::this_thread::sleep_for(kLongEnoughToNotice);
  EXPECT_FALSE(acquired);
  small.Release();
  waiter.join();
  EXPECT_TRUE(acquired);
}

TEST(ByteBudgetTest, HugeRequestsDoNotWrapTheSum) {
  ByteBudget budget(std::numeric_limits<uint64_t>::max());
  ByteBudget::Lease first =
      budget.Acquire(std::numeric_limits<uint64_t>::max() - 1);
  std::atomic<bool> acquired = false;
  std::jthread waiter([&] {
    const ByteBudget::Lease second = budget.Acquire(2);
    acquired = true;
  });
  std::this_thread::sleep_for(kLongEnoughToNotice);
  EXPECT_FALSE(acquired);
  first.Release();
}

TEST(ByteBudgetTest, ServesInOrderSoThatLargeRequestsAreNotStarved) {
  ByteBudget budget(100);
  ByteBudget::Lease first = budget.Acquire(50);
  std::atomic<bool> large_served = false;
  std::jthread large([&] {
    const ByteBudget::Lease lease = budget.Acquire(100);
    large_served = true;
  });
  AwaitWaiters(budget, 1);
  // Would fit at once, but came later.
  std::jthread small([&] {
    const ByteBudget::Lease lease = budget.Acquire(10);
    EXPECT_TRUE(large_served);
  });
  AwaitWaiters(budget, 2);
  first.Release();
}

TEST(ByteBudgetTest, TryAcquireNeverExceedsTheLimit) {
  ByteBudget budget(100);
  EXPECT_FALSE(budget.TryAcquire(101).has_value());  // even of an empty budget
  const auto first = budget.TryAcquire(60);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(budget.TryAcquire(41).has_value());
  EXPECT_FALSE(
      budget.TryAcquire(std::numeric_limits<uint64_t>::max()).has_value());
  EXPECT_TRUE(budget.TryAcquire(40).has_value());  // given back at once
  EXPECT_EQ(budget.held_bytes(), 60u);
}

TEST(ByteBudgetTest, TryAcquireDoesNotOvertakeThoseWhoWait) {
  ByteBudget budget(100);
  ByteBudget::Lease first = budget.Acquire(50);
  std::jthread waiter([&] { const auto lease = budget.Acquire(100); });
  AwaitWaiters(budget, 1);
  EXPECT_FALSE(budget.TryAcquire(1).has_value());
  first.Release();
}

TEST(ByteBudgetTest, AcquireUnlessGivesUpItsPlaceWhenCancelled) {
  Timer timer;
  CancellationWatch watch(&timer);
  ByteBudget budget(100, &watch);
  const ByteBudget::Lease first = budget.Acquire(50);
  std::atomic<bool> cancelled = false;
  std::jthread cancelling([&] {
    const auto lease =
        budget.AcquireUnless(100, [&] { return cancelled.load(); });
    EXPECT_FALSE(lease.has_value());
  });
  AwaitWaiters(budget, 1);
  std::atomic<bool> served = false;
  std::jthread behind([&] {
    const ByteBudget::Lease lease = budget.Acquire(10);
    served = true;
  });
  AwaitWaiters(budget, 2);
  EXPECT_FALSE(served);
  cancelled = true;
  cancelling.join();
  behind.join();
  EXPECT_TRUE(served);
  EXPECT_EQ(budget.held_bytes(), 50u);
}

TEST(ByteBudgetTest, AcquireUnlessTakesWhatIsFreeWithoutAsking) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.AcquireUnless(100, [] { return true; }).has_value());
}

// Cancelled at every moment: before it is served, meanwhile and after.
TEST(ByteBudgetTest, AcquireUnlessIsServedOrGivesUp) {
  Timer timer;
  CancellationWatch watch(&timer);
  ByteBudget budget(100, &watch);
  std::atomic<int> served = 0;
  std::atomic<int> given_up = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(16);
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const auto lease =
              budget.AcquireUnless(60, [t] { return t % 2 == 0; });
          ++(lease.has_value() ? served : given_up);
          if (lease.has_value()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
          }
        }
      });
    }
  }
  EXPECT_EQ(served + given_up, 16 * 20);
  EXPECT_GE(served, 8 * 20);  // those that are never cancelled
  EXPECT_EQ(budget.held_bytes(), 0u);
  EXPECT_EQ(budget.waiting_count(), 0u);
}

TEST(ByteBudgetTest, NeverExceedsItsLimitUnderLoad) {
  ByteBudget budget(1000);
  std::atomic<uint64_t> in_use = 0;
  {
    constexpr uint64_t kThreads = 4;
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (uint64_t t = 1; t <= kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t i = 0; i < 5000; ++i) {
          const uint64_t bytes = 1 + (i * 7919 + t * 104729) % 600;
          const ByteBudget::Lease lease = budget.Acquire(bytes);
          EXPECT_LE(in_use.fetch_add(bytes) + bytes, 1000u);
          in_use.fetch_sub(bytes);
        }
      });
    }
  }
  EXPECT_EQ(budget.held_bytes(), 0u);
}

}  // namespace
}  // namespace qstore
