// Whether the store takes writes, for the health service and the log.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/thread_pool.h"
#include "base/timer.h"

namespace qstore::server {

// One write that fails says little: its disk may be full just then, or its file
// damaged. So after a failure something small is written as a trial, and again
// and again until that works; the outcome of trials is what is told.
//
// Thread-safe.
class WriteWatch {
 public:
  using Trial = std::function<absl::Status()>;
  // The error of a trial after one that worked, and OK after one that did not.
  using Report = std::function<void(const absl::Status& status)>;

  // Between a trial that failed and the next.
  static constexpr std::chrono::seconds kInterval{1};

  WriteWatch() = default;
  ~WriteWatch() { Stop(); }
  WriteWatch(const WriteWatch&) = delete;
  WriteWatch& operator=(const WriteWatch&) = delete;

  // Both are called by tasks of `pool`, one at a time. Timer and pool outlive
  // this, or Stop. At most once; failures that were noted before count.
  void Start(Trial trial, Report report, Timer* timer, ThreadPool* pool);
  // Waits for a trial that runs; there is none afterwards.
  void Stop();

  // A write failed. Returns at once, also within a trial.
  void NoteFailure();

  // Of the last trial; OK when there was none.
  absl::Status status() const;

 private:
  void BeginTrial();
  void RunTrial();
  void SetAlarm(std::chrono::seconds delay)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Trial trial_;
  Report report_;
  ThreadPool* pool_ = nullptr;
  mutable absl::Mutex mutex_;
  std::unique_ptr<Alarm> alarm_ ABSL_GUARDED_BY(mutex_);  // null: not started
  bool trying_ ABSL_GUARDED_BY(mutex_) = false;           // until a trial works
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // a task of the pool is
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::server
