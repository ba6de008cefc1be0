#include "server/limits/call_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace qstore::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Answer = absl::StatusOr<CallAdmission::Permit>;
using std::chrono::milliseconds;

TEST(CallAdmission, LimitsByKindAndDrains) {
  Timer timer;
  CancellationWatch watch(&timer);
  CallAdmission admission(
      {.uploads = 1, .downloads = 2, .verifies = 1, .queued = 0}, &timer,
      &watch);
  auto upload = admission.Enter(CallKind::kUpload);
  ASSERT_TRUE(upload.ok());
  const absl::Status refused = admission.Enter(CallKind::kUpload).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_TRUE(refused.GetPayload("type.googleapis.com/google.rpc.RetryInfo")
                  .has_value());
  auto first = admission.Enter(CallKind::kDownload);
  auto second = admission.Enter(CallKind::kDownload);
  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(admission.Enter(CallKind::kDownload).ok());
  *first = CallAdmission::Permit();
  EXPECT_TRUE(admission.Enter(CallKind::kDownload).ok());
  EXPECT_EQ(admission.running_calls(), 2u);

  admission.StopAdmitting();
  EXPECT_TRUE(absl::IsUnavailable(admission.Enter(CallKind::kShort).status()));
  const auto now = std::chrono::steady_clock::now();
  EXPECT_FALSE(admission.WaitUntilIdle(now));
  *upload = CallAdmission::Permit();
  *second = CallAdmission::Permit();
  EXPECT_TRUE(admission.WaitUntilIdle(now));
}

// One upload runs; others wait behind it.
class QueueTest : public ::testing::Test {
 protected:
  explicit QueueTest(milliseconds timeout = std::chrono::minutes(5))
      : admission_({.uploads = 1, .queued = 3, .queue_timeout = timeout},
                   &timer_, &watch_),
        running_(admission_.Enter(CallKind::kUpload)) {
    EXPECT_TRUE(running_.ok());
  }

  uint64_t EnterLater(int number) {
    return admission_.EnterLater(
        CallKind::kUpload, [this, number](Answer answer) {
          (answer.ok() ? admitted_ : refused_).push_back(number);
          // The place passes to the next one here.
        });
  }

  Timer timer_;
  CancellationWatch watch_{&timer_};
  CallAdmission admission_;
  Answer running_;
  std::vector<int> admitted_;
  std::vector<int> refused_;
};

TEST_F(QueueTest, FirstComeFirstServedUpToTheBound) {
  for (int i = 0; i < 3; ++i) EXPECT_NE(EnterLater(i), 0u);
  EXPECT_EQ(admission_.waiting_calls(), 3u);
  EXPECT_EQ(EnterLater(3), 0u);
  EXPECT_THAT(refused_, ElementsAre(3));
  EXPECT_TRUE(admitted_.empty());
  // Other kinds have queues and places of their own.
  EXPECT_TRUE(admission_.Enter(CallKind::kVerify).ok());
  *running_ = CallAdmission::Permit();
  EXPECT_THAT(admitted_, ElementsAre(0, 1, 2));
  EXPECT_EQ(admission_.running_calls(), 0u);
}

TEST_F(QueueTest, WhoIsForgottenIsNotCalled) {
  EnterLater(0);
  const uint64_t ticket = EnterLater(1);
  EnterLater(2);
  EXPECT_TRUE(admission_.Forget(CallKind::kUpload, ticket));
  EXPECT_FALSE(admission_.Forget(CallKind::kUpload, ticket));
  *running_ = CallAdmission::Permit();
  EXPECT_THAT(admitted_, ElementsAre(0, 2));
}

TEST_F(QueueTest, DrainingSendsAllAway) {
  EnterLater(0);
  EnterLater(1);
  admission_.StopAdmitting();
  EXPECT_THAT(refused_, ElementsAre(0, 1));
  EXPECT_EQ(admission_.waiting_calls(), 0u);
  *running_ = CallAdmission::Permit();
  EXPECT_TRUE(admission_.WaitUntilIdle(std::chrono::steady_clock::now()));
}

TEST_F(QueueTest, ACancelledThreadLeavesSoon) {
  std::atomic<bool> cancelled = false;
  std::chrono::steady_clock::time_point cancelled_at;
  std::thread canceller([&] {
    while (admission_.waiting_calls() == 0) std::this_thread::yield();
    cancelled_at = std::chrono::steady_clock::now();
    cancelled = true;
  });
  const Answer answer =
      admission_.Enter(CallKind::kUpload, [&] { return cancelled.load(); });
  const auto left_at = std::chrono::steady_clock::now();
  canceller.join();
  EXPECT_LT(left_at - cancelled_at, milliseconds(5000));
  EXPECT_TRUE(absl::IsCancelled(answer.status())) << answer.status();
  EXPECT_EQ(admission_.waiting_calls(), 0u);
}

TEST_F(QueueTest, AThreadGetsTheNextPlace) {
  std::thread waiting([&] {
    const Answer answer = admission_.Enter(CallKind::kUpload);
    EXPECT_TRUE(answer.ok()) << answer.status();
  });
  while (admission_.waiting_calls() == 0) std::this_thread::yield();
  *running_ = CallAdmission::Permit();
  waiting.join();
  EXPECT_EQ(admission_.running_calls(), 0u);
}

class ImpatientQueueTest : public QueueTest {
 protected:
  ImpatientQueueTest() : QueueTest(milliseconds(30)) {}
};

TEST_F(ImpatientQueueTest, WaitsNoLongerThanTheTimeout) {
  const absl::Status status = admission_.Enter(CallKind::kUpload).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("1 uploads are running, as many as the server allows "
                        "at once, and none ended within 30ms; retry in 2s"));
  EXPECT_EQ(admission_.waiting_calls(), 0u);
}

// Every call gets one answer, and never more run than may.
TEST(CallAdmission, ManyThreadsAndCancellations) {
  Timer timer;
  CancellationWatch watch(&timer);
  CallAdmission admission(
      {.uploads = 2, .queued = 4, .queue_timeout = milliseconds(2)}, &timer,
      &watch);
  std::atomic<int> running = 0;
  std::atomic<int> answers = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const Answer answer =
            admission.Enter(CallKind::kUpload, [t] { return t % 2 == 0; });
        ++answers;
        if (!answer.ok()) continue;
        EXPECT_LE(++running, 2);
        std::this_thread::yield();
        --running;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers, 8 * 200);
  EXPECT_EQ(admission.running_calls(), 0u);
  EXPECT_EQ(admission.waiting_calls(), 0u);
}

}  // namespace
}  // namespace qstore::server
