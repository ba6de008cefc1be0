#include "base/thread_pool.h"

#include <utility>

#include "base/check.h"

namespace qstore {

ThreadPool::ThreadPool(size_t thread_count, size_t max_queued)
    : max_queued_(max_queued) {
  threads_.reserve(thread_count);
  for (size_t i = 0; i < thread_count; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(tasks_.empty());
}

bool ThreadPool::HasRoom() const { return tasks_.size() < max_queued_; }

bool ThreadPool::HasWork() const { return stopping_ || !tasks_.empty(); }

void ThreadPool::Submit(std::function<void()> task) {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &ThreadPool::HasRoom));
  QSTORE_DCHECK(!stopping_);
  tasks_.push_back(std::move(task));
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  const absl::MutexLock lock(&mutex_);
  if (!HasRoom()) return false;
  QSTORE_DCHECK(!stopping_);
  tasks_.push_back(std::move(task));
  return true;
}

void ThreadPool::Run() {
  while (true) {
    std::function<void()> task;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ThreadPool::HasWork));
      if (tasks_.empty()) return;  // stopping, and nothing is left
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace qstore
