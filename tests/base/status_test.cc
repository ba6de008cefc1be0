#include "base/status.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"

namespace qstore {
namespace {

TEST(AnnotateTest, PrependsContextAndKeepsCodeAndPayload) {
  absl::Status inner = absl::DataLossError("checksum differs");
  inner.SetPayload("type.googleapis.com/x", absl::Cord("details"));

  const absl::Status outer =
      Annotate(Annotate(inner, "chunk 3"), "tensor \"w\"");

  EXPECT_EQ(outer.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(outer.message(), "tensor \"w\": chunk 3: checksum differs");
  EXPECT_EQ(outer.GetPayload("type.googleapis.com/x"), absl::Cord("details"));
}

TEST(AnnotateTest, LeavesOkAlone) {
  EXPECT_EQ(Annotate(absl::OkStatus(), "anything"), absl::OkStatus());
}

// Longer than the 15 bytes that a Cord holds in itself.
TEST(WithMessageTest, KeepsCodeAndEveryPayload) {
  absl::Status status = absl::DataLossError("checksum differs");
  const absl::Cord details(std::string(1000, 'd'));
  status.SetPayload("type.googleapis.com/x", details);
  status.SetPayload("type.googleapis.com/y", absl::Cord("short"));

  const absl::Status reworded = WithMessage(status, "upload it again");

  EXPECT_EQ(reworded.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reworded.message(), "upload it again");
  EXPECT_EQ(reworded.GetPayload("type.googleapis.com/x"), details);
  EXPECT_EQ(reworded.GetPayload("type.googleapis.com/y"), absl::Cord("short"));
}

TEST(WithMessageTest, LeavesOkAlone) {
  EXPECT_EQ(WithMessage(absl::OkStatus(), "anything"), absl::OkStatus());
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::Status AssignQuarter(int number, int* quarter) {
  QSTORE_ASSIGN_OR_RETURN(const int half, Half(number));
  QSTORE_ASSIGN_OR_RETURN(*quarter, Half(half));
  QSTORE_RETURN_IF_ERROR(absl::OkStatus());
  return absl::OkStatus();
}

TEST(MacroTest, AssignsOrReturnsTheError) {
  int quarter = 0;
  EXPECT_TRUE(AssignQuarter(12, &quarter).ok());
  EXPECT_EQ(quarter, 3);
  EXPECT_EQ(AssignQuarter(6, &quarter), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(quarter, 3);
}

}  // namespace
}  // namespace qstore
