// The one clock of a process: a thread that calls what is due.
//
// Whoever must do something at a time to come schedules it here, instead of
// keeping a thread of its own that sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace qstore {

// Thread-safe.
//
// Callbacks run one at a time, in the order of their times (of one time: in the
// order in which they were scheduled), on the timer's thread and without a lock
// held. They must be short, since each delays all that are due after it: they
// wake a thread, end a call, or hand longer work to a pool. They must not
// throw; they may schedule and cancel. The thread sleeps while nothing is due.
class Timer {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Callback = std::function<void()>;
  using Id = uint64_t;  // never 0

  Timer();
  // Waits for the callback that is running; no other one runs any more. Must
  // not be called from a callback.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Calls `callback` once, at `when` or soon after it; a time that is past is
  // now.
  Id Schedule(TimePoint when, Callback callback);

  // True: the callback will not be called. False: it has been called. One that
  // is running is waited for, so that what it uses may go afterwards, unless
  // this is called by a callback: then the one that runs is the caller. Hold no
  // lock that the callback takes.
  bool Cancel(Id id);

  // The same without waiting: false may mean that the callback is running or
  // about to.
  bool TryCancel(Id id);

  // Whether a callback of this timer is the caller.
  bool InCallback() const { return std::this_thread::get_id() == thread_id_; }

 private:
  // Time, then order of scheduling: ids ascend.
  using Key = std::pair<TimePoint, Id>;

  // absl waits by the wall clock. Should that be set back meanwhile, nothing is
  // late by more than this.
  static constexpr absl::Duration kMaxWait = absl::Minutes(1);

  void Run();
  bool Remove(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::CondVar earliest_changed_;  // or stopping_
  std::map<Key, Callback> pending_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<Id, TimePoint> times_ ABSL_GUARDED_BY(mutex_);
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  Id running_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // last: it uses all of the above
  const std::thread::id thread_id_;
};

// One callback that is set again and again, also by itself. Thread-safe; the
// timer outlives it.
class Alarm {
 public:
  // `callback` runs as Timer's do.
  Alarm(Timer* timer, Timer::Callback callback);
  // As Stop. Must not be called from the callback.
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // The callback will be called at `when`, or at the time for which it is set
  // already if that is earlier. Once it is called it is not set any more.
  // Nothing after Stop. May be called with locks that the callback takes.
  void SetNoLaterThan(Timer::TimePoint when);

  // Not called any more. Waits for a callback that is running, unless it is the
  // caller; hold no lock that it takes.
  void Stop();

 private:
  void Fire();

  Timer* const timer_;
  const Timer::Callback callback_;
  absl::Mutex mutex_;
  Timer::Id id_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: not set
  Timer::TimePoint when_ ABSL_GUARDED_BY(mutex_);
  bool firing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace qstore
