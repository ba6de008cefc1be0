// A fixed number of threads and a bounded queue.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

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
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_queued_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace qstore
