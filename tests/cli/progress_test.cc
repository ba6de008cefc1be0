#include "cli/progress.h"

#include <chrono>
#include <sstream>
#include <string>

#include "base/error_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr uint64_t kMegabyte = 1'000'000;

TEST(ProgressTest, FormatsALine) {
  EXPECT_EQ(FormatProgressLine({.action = "uploading m",
                                .done_bytes = 250 * kMegabyte,
                                .total_bytes = 1000 * kMegabyte,
                                .seconds = 2}),
            "uploading m:  25 %, 250 MB of 1.00 GB, 125 MB/s, 6 s left");
}

TEST(ProgressTest, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(FormatProgressLine({.action = "verifying m",
                                .done_bytes = 5 * kMegabyte,
                                .total_bytes = 0,
                                .seconds = 0.1}),
            "verifying m: 5.00 MB");
  EXPECT_EQ(FormatProgressLine({.action = "m",
                                .done_bytes = 0,
                                .total_bytes = kMegabyte,
                                .seconds = 100}),
            "m:   0 %, 0 B of 1.00 MB");
}

TEST(ProgressTest, FormatsLongWaits) {
  const ProgressReading reading{.action = "m",
                                .done_bytes = kMegabyte,
                                .total_bytes = 7201 * kMegabyte,
                                .seconds = 1};
  EXPECT_THAT(FormatProgressLine(reading), EndsWith(", 2 h 0 min left"));
}

TEST(ProgressTest, NeverShowsMoreThanAllOfIt) {
  EXPECT_THAT(FormatProgressBar({.action = "m",
                                 .done_bytes = 3 * kMegabyte,
                                 .total_bytes = 2 * kMegabyte,
                                 .seconds = 1},
                                120),
              HasSubstr("[########################] 100 %"));
}

TEST(ProgressTest, BarFitsTheTerminal) {
  const ProgressReading reading{.action = "downloading org/model:latest",
                                .done_bytes = kMegabyte,
                                .total_bytes = 2 * kMegabyte,
                                .seconds = 1};
  EXPECT_THAT(FormatProgressBar(reading, 200),
              HasSubstr("[############............]  50 %"));
  EXPECT_THAT(FormatProgressBar(reading, 100),
              HasSubstr("[###########...........]  50 %"));
  for (size_t columns = 0; columns < 120; ++columns) {
    EXPECT_LE(FormatProgressBar(reading, columns).size(), columns);
  }
}

class ProgressOutputTest : public ::testing::Test {
 protected:
  std::chrono::steady_clock::time_point now_;
  std::ostringstream stream_;
  Progress::Clock clock_ = [this] { return now_; };
};

TEST_F(ProgressOutputTest, PrintsALineEveryFewSeconds) {
  Progress progress(&stream_, ProgressStyle::kLines, "h:1", clock_);
  progress.Begin("work", 100);
  progress.Add(10);
  EXPECT_EQ(stream_.str(), "");
  now_ += seconds(5);
  progress.Add(10);
  EXPECT_EQ(stream_.str(), "work:  20 %, 20 B of 100 B, 4 B/s, 20 s left\n");
  now_ += seconds(1);
  progress.Add(10);
  progress.End();
  EXPECT_EQ(stream_.str(), "work:  20 %, 20 B of 100 B, 4 B/s, 20 s left\n");
}

TEST_F(ProgressOutputTest, RedrawsTheBarAndTakesItOff) {
  {
    Progress progress(&stream_, ProgressStyle::kBar, "h:1", clock_);
    progress.Begin("work", 100);
    EXPECT_THAT(stream_.str(), HasSubstr("\rwork ["));
    stream_.str("");
    progress.Add(1);
    EXPECT_EQ(stream_.str(), "");
    now_ += milliseconds(100);
    progress.Set(50, 100);
    EXPECT_THAT(stream_.str(), HasSubstr(" 50 %"));
    stream_.str("");
  }
  EXPECT_EQ(stream_.str(), "\r\x1b[K");
}

TEST_F(ProgressOutputTest, HiddenPrintsNothing) {
  Progress progress(&stream_, ProgressStyle::kHidden, "h:1", clock_);
  progress.Begin("work", 100);
  now_ += seconds(60);
  progress.Add(100);
  progress.End();
  EXPECT_EQ(stream_.str(), "");
}

TEST_F(ProgressOutputTest, NotesTakeTheBarOff) {
  Progress progress(&stream_, ProgressStyle::kBar, "h:1", clock_);
  progress.Begin("work", 100);
  stream_.str("");
  progress.Note("a\nb");
  EXPECT_EQ(stream_.str(), "\r\x1b[Knote: a\\nb\n");
  progress.Add(1);
  EXPECT_THAT(stream_.str(), HasSubstr("work ["));
}

TEST_F(ProgressOutputTest, SaysWhatIsTriedAgainAndWhatToDo) {
  Progress progress(&stream_, ProgressStyle::kHidden, "127.0.0.1:1", clock_);
  progress.Retry({absl::UnavailableError("gone"), /*wait_seconds=*/0.31, 59.2});
  EXPECT_EQ(stream_.str(),
            "note: gone; trying again in 0.3 s, for 60 s more\n");
  stream_.str("");
  progress.Retry(
      {WithReason(absl::UnavailableError("not there"), kReasonUnreachable), 1,
       1});
  EXPECT_THAT(
      stream_.str(),
      HasSubstr(
          "note: not there: start it with `qstored --listen 127.0.0.1:1"));
  stream_.str("");
  // Not the same paragraph again.
  progress.Retry(
      {WithReason(absl::UnavailableError("not there"), kReasonUnreachable), 2,
       52});
  EXPECT_EQ(stream_.str(),
            "note: still cannot reach 127.0.0.1:1; trying again in 2.0 s, for "
            "52 s more\n");
}

TEST_F(ProgressOutputTest, WhatRunsElsewhereIsNotStartedHere) {
  Progress progress(&stream_, ProgressStyle::kHidden, "store:1", clock_);
  progress.Retry(
      {WithReason(absl::UnavailableError("not there"), kReasonUnreachable), 1,
       1});
  EXPECT_THAT(stream_.str(), HasSubstr("see whether it runs there, or name"));
}

}  // namespace
}  // namespace qstore::cli
