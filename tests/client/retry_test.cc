#include "client/retry.h"

#include <chrono>
#include <vector>

#include "client/rpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/error_details.h"
#include "tests/client/recorded_events.h"

namespace qstore::client {
namespace {

using std::chrono::milliseconds;

absl::Status Gone() { return absl::UnavailableError("gone"); }

absl::Status Busy(char retry_seconds) {
  return FromGrpcStatus(DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                       "busy", {RetryInfo(retry_seconds)}),
                        "server");
}

class RetryTest : public ::testing::Test {
 protected:
  // Runs an attempt that fails `failures` times with `error`.
  absl::Status Run(const absl::Status& error, int failures,
                   double retry_seconds = 60) {
    waits_.clear();
    Retrier retrier(
        {.retry_seconds = retry_seconds}, &events_, &cancellation_,
        [this] { return now_; },
        [this](milliseconds wait) {
          waits_.push_back(wait);
          now_ += wait;
        });
    attempts_ = 0;
    return retrier.Run(
        [&] { return ++attempts_ <= failures ? error : absl::OkStatus(); });
  }

  std::chrono::steady_clock::time_point now_;
  std::vector<milliseconds> waits_;
  int attempts_ = 0;
  RecordedEvents events_;
  Cancellation cancellation_;
};

TEST_F(RetryTest, WaitsLongerEachTimeAndSaysSo) {
  EXPECT_TRUE(Run(Gone(), 4).ok());
  ASSERT_EQ(waits_.size(), 4u);
  for (size_t i = 0; i < waits_.size(); ++i) {
    EXPECT_GE(waits_[i], milliseconds(250 << i));
    EXPECT_LE(waits_[i], milliseconds(500 << i));
  }
  const std::vector<RetryNotice> notices = events_.retries();
  ASSERT_EQ(notices.size(), waits_.size());
  for (size_t i = 0; i < notices.size(); ++i) {
    EXPECT_EQ(notices[i].error, Gone());
    EXPECT_EQ(notices[i].wait_seconds,
              std::chrono::duration<double>(waits_[i]).count());
    EXPECT_GT(notices[i].left_seconds, 50);
    EXPECT_LE(notices[i].left_seconds, 60);
  }
}

TEST_F(RetryTest, GivesUpInTime) {
  EXPECT_EQ(Run(Gone(), 1000).code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(now_.time_since_epoch(), std::chrono::seconds(60));
  EXPECT_GE(now_.time_since_epoch(), std::chrono::seconds(30));
  EXPECT_FALSE(Run(Gone(), 1, /*retry_seconds=*/0).ok());
  EXPECT_EQ(attempts_, 1);
}

// A person does not wait a minute for a server that is not there at all.
TEST_F(RetryTest, FirstContactHasATimeOfItsOwn) {
  Retrier retrier(
      {.retry_seconds = 60, .first_contact_seconds = 2}, &events_,
      &cancellation_, [this] { return now_; },
      [this](milliseconds wait) { now_ += wait; });
  const auto begin = now_;
  EXPECT_FALSE(retrier.Run([&] { return Gone(); }).ok());
  EXPECT_LE(now_ - begin, std::chrono::seconds(2));
  EXPECT_GE(retrier.attempts(), 2);
}

TEST_F(RetryTest, OnlyWhatMayGoAway) {
  for (const absl::Status& error :
       {absl::InvalidArgumentError("x"), absl::NotFoundError("x"),
        absl::FailedPreconditionError("x"), absl::DataLossError("x"),
        absl::AbortedError("x"), absl::InternalError("x"),
        absl::ResourceExhaustedError("the disk is full")}) {
    EXPECT_EQ(Run(error, 1), error);
    EXPECT_EQ(attempts_, 1);
  }
  for (const absl::Status& error :
       {Gone(), absl::CancelledError("by the server"),
        FromGrpcStatus({grpc::StatusCode::INTERNAL,
                        "Received RST_STREAM with error code 2"},
                       "server"),
        Busy(1)}) {
    EXPECT_TRUE(Run(error, 1).ok()) << error;
    EXPECT_EQ(attempts_, 2);
  }
}

TEST_F(RetryTest, TheServerMayAskForMore) {
  EXPECT_TRUE(Run(Busy(7), 1).ok());
  ASSERT_EQ(waits_.size(), 1u);
  EXPECT_EQ(waits_[0], milliseconds(7000));
  EXPECT_EQ(RetryDelay(Busy(3)), absl::Seconds(3));
  EXPECT_EQ(RetryDelay(Gone()), std::nullopt);
}

TEST_F(RetryTest, ProgressBeginsTheTimeAnew) {
  Retrier retrier(
      {.retry_seconds = 10}, &events_, &cancellation_, [this] { return now_; },
      [this](milliseconds wait) {
        waits_.push_back(wait);
        now_ += wait;
      });
  EXPECT_TRUE(retrier
                  .Run([&] {
                    retrier.Progressed();
                    return ++attempts_ <= 100 ? Gone() : absl::OkStatus();
                  })
                  .ok());
  for (const milliseconds wait : waits_) EXPECT_LE(wait, milliseconds(500));
  EXPECT_GT(now_.time_since_epoch(), std::chrono::seconds(20));
}

TEST_F(RetryTest, StopsWhenCancelled) {
  cancellation_.Cancel();
  EXPECT_FALSE(Run(Gone(), 1).ok());
  EXPECT_EQ(attempts_, 1);
  Retrier retrier({.retry_seconds = 60}, &events_, &cancellation_);
  EXPECT_FALSE(retrier.Run(Gone).ok());
}

TEST_F(RetryTest, WhatMustNotHappenTwiceIsTriedAgainOnlyIfItDidNot) {
  const auto run = [this](const absl::Status& connect_error,
                          const absl::Status& error) {
    Retrier retrier(
        {.retry_seconds = 60}, &events_, &cancellation_,
        [this] { return now_; }, [](milliseconds) {});
    int connects = 0;
    attempts_ = 0;
    return retrier.RunOnce(
        [&] { return ++connects == 1 ? connect_error : absl::OkStatus(); },
        [&] { return ++attempts_ == 1 ? error : absl::OkStatus(); });
  };
  EXPECT_TRUE(run(Gone(), absl::OkStatus()).ok());
  EXPECT_TRUE(run(absl::OkStatus(), Busy(1)).ok());
  EXPECT_EQ(attempts_, 2);
  // The answer may have been lost.
  EXPECT_EQ(run(absl::OkStatus(), Gone()), Gone());
  EXPECT_EQ(attempts_, 1);
}

}  // namespace
}  // namespace qstore::client
