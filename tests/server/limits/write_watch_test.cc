#include "server/limits/write_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace qstore::server {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);

class WriteWatchTest : public ::testing::Test {
 protected:
  void Start() {
    watch_.Start(
        [this]() -> absl::Status {
          const absl::MutexLock lock(&mutex_);
          ++trial_count_;
          return trial_;
        },
        [this](const absl::Status& status) {
          const absl::MutexLock lock(&mutex_);
          reports_.push_back(status.code());
        },
        &timer_, &pool_);
  }
  void Answer(const absl::Status& status) {
    const absl::MutexLock lock(&mutex_);
    trial_ = status;
  }
  void AwaitTrials(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto are_there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                               mutex_) { return trial_count_ >= count; };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&are_there), kLong));
  }
  void AwaitReports(const std::vector<absl::StatusCode>& expected) {
    const absl::MutexLock lock(&mutex_);
    const auto are_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return reports_.size() >= expected.size();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&are_there), kLong);
    EXPECT_EQ(reports_, expected);
  }

  absl::Mutex mutex_;
  absl::Status trial_ ABSL_GUARDED_BY(mutex_);
  int trial_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<absl::StatusCode> reports_ ABSL_GUARDED_BY(mutex_);
  Timer timer_;
  ThreadPool pool_{1, 1};
  WriteWatch watch_;
};

TEST_F(WriteWatchTest, AFailureThatPassesIsNotTold) {
  Start();
  watch_.NoteFailure();
  AwaitTrials(1);
  watch_.Stop();
  EXPECT_TRUE(watch_.status().ok());
  AwaitReports({});
}

TEST_F(WriteWatchTest, TellsWhenTrialsFailAndWhenTheyWorkAgain) {
  Start();
  Answer(absl::InternalError("Input/output error"));
  watch_.NoteFailure();
  AwaitTrials(3);
  EXPECT_TRUE(absl::IsInternal(watch_.status()));
  AwaitReports({absl::StatusCode::kInternal});
  Answer(absl::OkStatus());
  AwaitReports({absl::StatusCode::kInternal, absl::StatusCode::kOk});
  EXPECT_TRUE(watch_.status().ok());
  // And once more.
  Answer(absl::ResourceExhaustedError("No space left on device"));
  watch_.NoteFailure();
  AwaitReports({absl::StatusCode::kInternal, absl::StatusCode::kOk,
                absl::StatusCode::kResourceExhausted});
}

TEST_F(WriteWatchTest, FailuresBeforeTheStartCount) {
  Answer(absl::InternalError("Input/output error"));
  watch_.NoteFailure();
  Start();
  AwaitReports({absl::StatusCode::kInternal});
}

TEST_F(WriteWatchTest, WaitsForATrialWhenItIsStopped) {
  absl::Notification begun;
  std::atomic<bool> ended = false;
  watch_.Start(
      [&] {
        begun.Notify();
        absl::SleepFor(absl::Milliseconds(50));
        ended = true;
        return absl::InternalError("Input/output error");
      },
      [](const absl::Status&) {}, &timer_, &pool_);
  watch_.NoteFailure();
  begun.WaitForNotification();
  watch_.Stop();
  EXPECT_TRUE(ended);
  watch_.NoteFailure();
}

}  // namespace
}  // namespace qstore::server
