#include "server/limits/call_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace qstore::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Answer = absl::StatusOr<CallAdmission::Permit>;
using std::chrono::milliseconds;

// An answer that may come later.
struct Turn {
  absl::Mutex mutex;
  std::optional<Answer> answer ABSL_GUARDED_BY(mutex);
};

std::shared_ptr<Turn> NewTurn() { return std::make_shared<Turn>(); }

CallAdmission::Done AnswerTo(const std::shared_ptr<Turn>& turn) {
  return [turn](Answer answer) {
    const absl::MutexLock lock(&turn->mutex);
    EXPECT_FALSE(turn->answer.has_value());
    turn->answer = std::move(answer);
  };
}

bool IsAnswered(const std::shared_ptr<Turn>& turn) {
  const absl::MutexLock lock(&turn->mutex);
  return turn->answer.has_value();
}

Answer Await(const std::shared_ptr<Turn>& turn) {
  const absl::MutexLock lock(&turn->mutex);
  const auto is_answered = [&turn]()
                               ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn->mutex) {
                                 return turn->answer.has_value();
                               };
  turn->mutex.Await(absl::Condition(&is_answered));
  return *std::move(turn->answer);
}

Answer Enter(CallAdmission& admission, CallKind kind,
             const std::string& address = "") {
  const auto turn = NewTurn();
  admission.EnterLater(kind, {.address = address, .call = nullptr},
                       AnswerTo(turn));
  return Await(turn);
}

TEST(CallAdmission, LimitsByKindAndDrains) {
  Timer timer;
  CallAdmission admission(
      {.uploads = 1, .downloads = 2, .verifies = 1, .queued = 0}, &timer);
  auto upload = Enter(admission, CallKind::kUpload);
  ASSERT_TRUE(upload.ok());
  const absl::Status refused = Enter(admission, CallKind::kUpload).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_TRUE(refused.GetPayload("type.googleapis.com/google.rpc.RetryInfo")
                  .has_value());
  auto first = Enter(admission, CallKind::kDownload);
  auto second = Enter(admission, CallKind::kDownload);
  EXPECT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(Enter(admission, CallKind::kDownload).ok());
  *first = CallAdmission::Permit();
  EXPECT_TRUE(Enter(admission, CallKind::kDownload).ok());
  EXPECT_EQ(admission.running_calls(), 2u);

  admission.StopAdmitting();
  EXPECT_TRUE(absl::IsUnavailable(Enter(admission, CallKind::kShort).status()));
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
                   &timer_),
        running_(Enter(admission_, CallKind::kUpload)) {
    EXPECT_TRUE(running_.ok());
  }

  uint64_t EnterLater(int number) {
    return admission_.EnterLater(
        CallKind::kUpload, {}, [this, number](Answer answer) {
          (answer.ok() ? admitted_ : refused_).push_back(number);
          // The place passes to the next one here.
        });
  }

  Timer timer_;
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
  EXPECT_TRUE(Enter(admission_, CallKind::kVerify).ok());
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

class ImpatientQueueTest : public QueueTest {
 protected:
  ImpatientQueueTest() : QueueTest(milliseconds(30)) {}
};

TEST_F(ImpatientQueueTest, WaitsNoLongerThanTheTimeout) {
  const absl::Status status = Enter(admission_, CallKind::kUpload).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("1 uploads are running, as many as the server allows "
                        "at once, and none ended within 30ms; retry in 2s"));
  EXPECT_EQ(admission_.waiting_calls(), 0u);
}

// Every call gets one answer, and never more run than may.
TEST(CallAdmission, ManyThreadsAndCancellations) {
  Timer timer;
  CallAdmission admission(
      {.uploads = 2, .queued = 4, .queue_timeout = milliseconds(2)}, &timer);
  std::atomic<int> running = 0;
  std::atomic<int> answers = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string address = std::to_string(t % 3);
      for (int i = 0; i < 200; ++i) {
        const auto turn = NewTurn();
        const uint64_t ticket = admission.EnterLater(
            CallKind::kUpload, {.address = address, .call = nullptr},
            AnswerTo(turn));
        ++answers;
        if (t % 2 == 0 && ticket != 0 &&
            admission.Forget(CallKind::kUpload, ticket)) {
          EXPECT_FALSE(IsAnswered(turn));
          continue;
        }
        const Answer answer = Await(turn);
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

// Places and queues by address.
class SharesTest : public ::testing::Test {
 protected:
  // A call that runs or waits until it is reset.
  struct Caller {
    explicit Caller(StallWatch* watch)
        : call(watch, [this] { ended = true; }), turn(NewTurn()) {}
    std::atomic<bool> ended = false;
    StallWatch::Call call;
    std::shared_ptr<Turn> turn;
  };
  using Callers = std::vector<std::unique_ptr<Caller>>;

  void Start(const CallAdmission::Limits& limits) {
    admission_.emplace(limits, &timer_);
  }
  Caller* Enter(const std::string& address) {
    callers_.push_back(std::make_unique<Caller>(&watch_));
    Caller* const caller = callers_.back().get();
    admission_->EnterLater(CallKind::kUpload,
                           {.address = address, .call = &caller->call},
                           AnswerTo(caller->turn));
    return caller;
  }
  static bool Runs(Caller* caller) {
    const absl::MutexLock lock(&caller->turn->mutex);
    return caller->turn->answer.has_value() && caller->turn->answer->ok();
  }
  static bool IsRefused(Caller* caller) {
    const absl::MutexLock lock(&caller->turn->mutex);
    return caller->turn->answer.has_value() && !caller->turn->answer->ok();
  }
  static void Leave(Caller* caller) {
    const auto turn = std::exchange(caller->turn, NewTurn());
    const Answer answer = Await(turn);
    EXPECT_TRUE(answer.ok());
  }
  template <typename Condition>
  static bool Soon(const Condition& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return condition();
  }

  Timer timer_;
  StallWatch watch_{std::chrono::minutes(5), &timer_};
  std::optional<CallAdmission> admission_;
  Callers callers_;  // hold permits, so they go before it
};

TEST_F(SharesTest, TheNextIsOfTheAddressThatRunsFewest) {
  Start({.uploads = 2, .queued = 8, .queue_timeout = std::chrono::minutes(5)});
  Caller* const first = Enter("a");
  Caller* const second = Enter("a");
  Caller* const third = Enter("a");
  Caller* const other = Enter("b");
  Caller* const another = Enter("b");
  Leave(first);
  EXPECT_TRUE(Runs(other));
  EXPECT_FALSE(Runs(third));
  // Both run one: first come, first served.
  Leave(second);
  EXPECT_TRUE(Runs(another) || Runs(third));
  callers_.clear();
}

TEST_F(SharesTest, AFullQueueLetsGoOfTheGreedy) {
  Start({.uploads = 1, .queued = 3, .queue_timeout = std::chrono::minutes(5)});
  Enter("a");
  Enter("a");
  Caller* const middle = Enter("a");
  Caller* const last = Enter("a");
  EXPECT_TRUE(IsRefused(Enter("a")));
  Caller* const other = Enter("b");
  EXPECT_TRUE(IsRefused(last));
  EXPECT_FALSE(IsRefused(other));
  EXPECT_FALSE(IsRefused(middle));
  // Two and one: with another it would have more than it leaves.
  EXPECT_TRUE(IsRefused(Enter("b")));
  Enter("c");
  EXPECT_TRUE(IsRefused(middle));
  callers_.clear();
}

TEST_F(SharesTest, WhoHasWaitedGetsAPlaceOfWhoHasTooMany) {
  Start({.uploads = 4, .queued = 8, .queue_timeout = milliseconds(3000)});
  Callers* const callers = &callers_;
  for (int i = 0; i < 4; ++i) Enter("a");
  Caller* const idle = (*callers)[1].get();
  idle->call.BeginWait();
  Caller* const other = Enter("b");
  // Who waits for a client goes first.
  ASSERT_TRUE(Soon([&] { return idle->ended.load(); }));
  EXPECT_FALSE(Runs(other));
  Leave(idle);
  EXPECT_TRUE(Runs(other));
  for (int i : {0, 2, 3}) EXPECT_FALSE((*callers)[i]->ended.load());
  // Two and two are shares.
  Caller* const second = Enter("b");
  ASSERT_TRUE(Soon([&] { return (*callers)[3]->ended.load(); }));
  Leave((*callers)[3].get());
  EXPECT_TRUE(Runs(second));
  Caller* const third = Enter("b");
  ASSERT_TRUE(Soon([&] { return IsRefused(third); }));
  EXPECT_FALSE((*callers)[0]->ended.load());
  EXPECT_FALSE((*callers)[2]->ended.load());
  callers_.clear();
}

TEST_F(SharesTest, OneAddressMayHaveAllWhileNobodyWaits) {
  Start({.uploads = 2, .queued = 8, .queue_timeout = milliseconds(60)});
  Caller* const first = Enter("a");
  Caller* const second = Enter("a");
  Caller* const third = Enter("a");
  ASSERT_TRUE(Soon([&] { return IsRefused(third); }));
  EXPECT_FALSE(first->ended.load());
  EXPECT_FALSE(second->ended.load());
  callers_.clear();
}

}  // namespace
}  // namespace qstore::server
