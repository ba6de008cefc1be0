#include "base/error_reason.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/status.h"

namespace qstore {
namespace {

TEST(ErrorReason, WordsAreUniqueAndFitErrorInfo) {
  std::set<std::string_view> words;
  for (const ErrorReason& reason : ErrorReasons()) {
    const std::string_view word = reason.word;
    EXPECT_TRUE(words.insert(word).second) << word;
    // google.rpc.ErrorInfo: [A-Z][A-Z0-9_]+[A-Z0-9], at most 63 characters.
    EXPECT_GE(word.size(), 3u) << word;
    EXPECT_LE(word.size(), 63u) << word;
    EXPECT_TRUE(word.front() >= 'A' && word.front() <= 'Z') << word;
    EXPECT_NE(word.back(), '_') << word;
    EXPECT_TRUE(std::all_of(word.begin(), word.end(), [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    })) << word;
    EXPECT_NE(reason.code, absl::StatusCode::kOk) << word;
    EXPECT_FALSE(std::string_view(reason.meaning).empty()) << word;
  }
}

TEST(ErrorReason, EveryCodeHasADefaultOfTheTable) {
  EXPECT_EQ(DefaultReason(absl::StatusCode::kOk), "");
  // 1 to 16 are all codes that gRPC has.
  for (int number = 1; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    const std::string word = DefaultReason(code);
    const auto row = std::find_if(
        ErrorReasons().begin(), ErrorReasons().end(),
        [&](const ErrorReason& reason) { return reason.word == word; });
    ASSERT_NE(row, ErrorReasons().end()) << number << " " << word;
    EXPECT_EQ(row->code, code) << word;
  }
  EXPECT_EQ(DefaultReason(static_cast<absl::StatusCode>(99)), kReasonUnknown);
}

TEST(ErrorReason, TravelsWithTheStatus) {
  EXPECT_EQ(ReasonOf(absl::NotFoundError("no model")), "");
  const absl::Status status =
      WithReason(absl::NotFoundError("no model"), kReasonModelNotFound);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_EQ(status.message(), "no model");
  EXPECT_EQ(ReasonOf(Annotate(status, "delete")), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(WithReason(status, kReasonTagNotFound)), "TAG_NOT_FOUND");
}

TEST(ErrorReason, TheDefaultTakesNoOthersPlace) {
  EXPECT_EQ(ReasonOf(WithDefaultReason(absl::DataLossError("x"))), "DAMAGED");
  EXPECT_EQ(ReasonOf(WithDefaultReason(
                WithReason(absl::DataLossError("x"), kReasonDamagedInTransit))),
            "DAMAGED_IN_TRANSIT");
}

TEST(ErrorReason, WhatToActOnIsInTheTable) {
  EXPECT_EQ(EffectiveReasonOf(
                WithReason(absl::UnavailableError("x"), kReasonDraining)),
            "DRAINING");
  EXPECT_EQ(EffectiveReasonOf(absl::UnavailableError("x")), "UNAVAILABLE");
  // The word of a later version.
  EXPECT_EQ(
      EffectiveReasonOf(WithReason(absl::UnavailableError("x"), "MOVING")),
      "UNAVAILABLE");
  EXPECT_EQ(EffectiveReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(FindErrorReason("MOVING"), nullptr);
  EXPECT_EQ(FindErrorReason("DISK_FULL")->code,
            absl::StatusCode::kResourceExhausted);
}

TEST(ErrorReason, SuccessHasNone) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), kReasonInternal).ok());
  EXPECT_EQ(ReasonOf(WithReason(absl::OkStatus(), kReasonInternal)), "");
  EXPECT_TRUE(WithDefaultReason(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace qstore
