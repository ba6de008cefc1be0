#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <semaphore>
#include <thread>
#include <vector>

namespace qstore {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnce) {
  constexpr int kTasks = 10'000;
  std::vector<std::atomic<int>> runs(kTasks);
  {
    ThreadPool pool(4, 8);
    EXPECT_EQ(pool.thread_count(), 4u);
    for (int i = 0; i < kTasks; ++i) {
      pool.Submit([&runs, i] { ++runs[i]; });
    }
  }
  for (const std::atomic<int>& count : runs) ASSERT_EQ(count, 1);
}

TEST(ThreadPoolTest, DestructorRunsWhatIsQueued) {
  std::atomic<int> runs = 0;
  std::binary_semaphore go(0);
  {
    ThreadPool pool(1, 100);
    pool.Submit([&go] { go.acquire(); });
    for (int i = 0; i < 50; ++i) pool.Submit([&runs] { ++runs; });
    EXPECT_EQ(runs, 0);
    go.release();
  }
  EXPECT_EQ(runs, 50);
}

TEST(ThreadPoolTest, RunsTasksAtTheSameTime) {
  // Passes only if all four wait for each other in four threads.
  std::latch together(4);
  ThreadPool pool(4, 4);
  for (int i = 0; i < 4; ++i) {
    pool.Submit([&together] { together.arrive_and_wait(); });
  }
  together.wait();
}

TEST(ThreadPoolTest, TrySubmitRefusesWhenTheQueueIsFull) {
  std::counting_semaphore<> started(0);
  std::counting_semaphore<> go(0);
  std::atomic<int> runs = 0;
  ThreadPool pool(1, 2);
  pool.Submit([&] {
    started.release();
    go.acquire();
  });
  started.acquire();  // the thread is busy and the queue is empty
  EXPECT_TRUE(pool.TrySubmit([&] { ++runs; }));
  EXPECT_TRUE(pool.TrySubmit([&] {
    ++runs;
    started.release();
  }));
  EXPECT_FALSE(pool.TrySubmit([&] { runs += 100; }));
  go.release();
  started.acquire();
  EXPECT_EQ(runs, 2);
}

TEST(ThreadPoolTest, SubmitWaitsForRoom) {
  std::counting_semaphore<> go(0);
  std::atomic<int> submitted = 0;
  std::atomic<int> runs = 0;
  {
    ThreadPool pool(1, 1);
    std::jthread submitter([&] {
      for (int i = 0; i < 5; ++i) {
        pool.Submit([&] {
          go.acquire();
          ++runs;
        });
        ++submitted;
      }
    });
    // One runs and one waits: no more than two can have been taken.
    while (submitted < 2) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(submitted, 2);
    go.release(5);
  }
  EXPECT_EQ(runs, 5);
}

}  // namespace
}  // namespace qstore
