// A fixed number of threads and a bounded queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace qstore {

// Thread-safe. The destructor runs what is queued, then joins; nothing may be
// submitted once it has begun. Tasks must not throw.
class ThreadPool {
 public:
  // `max_queued`: Submit blocks while this many tasks wait.
  ThreadPool(size_t thread_count, size_t max_queued);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Blocks while the queue is full. Must not be called from a pool thread.
  void Submit(std::function<void()> task);

  // Never blocks; false when the queue is full, and then `task` was not taken.
  bool TrySubmit(std::function<void()> task);

  size_t thread_count() const { return threads_.size(); }

 private:
  void Run();

  const size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable task_added_;
  std::condition_variable task_taken_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace qstore
