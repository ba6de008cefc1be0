#include "server/calls/status_mapping.h"

#include <gtest/gtest.h>

#include "base/error_reason.h"

namespace qstore::server {
namespace {

TEST(StatusMapping, CodesAndMessages) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  const grpc::Status status = ToGrpcStatus(absl::DataLossError("tensor x"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), "tensor x");
  EXPECT_TRUE(status.error_details().empty());
  EXPECT_EQ(ToGrpcStatus(absl::UnauthenticatedError("")).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST(StatusMapping, DetailsAreAGoogleRpcStatus) {
  const grpc::Status status = ToGrpcStatus(
      WithRetryHint(absl::UnavailableError("busy"), absl::Seconds(3)));
  // google.rpc.Status{code: 14, message: "busy", details: [Any{RetryInfo{3s}}]}
  const std::string url = "type.googleapis.com/google.rpc.RetryInfo";
  std::string any = "\x0a";
  any += static_cast<char>(url.size());
  any += url;
  any += std::string("\x12\x04\x0a\x02\x08\x03", 6);
  std::string expected = std::string("\x08\x0e\x12\x04") + "busy\x1a";
  expected += static_cast<char>(any.size());
  expected += any;
  EXPECT_EQ(status.error_details(), expected);
  EXPECT_TRUE(WithResource(absl::OkStatus(), "x").ok());
}

TEST(StatusMapping, LongMessagesFitTheTrailers) {
  const grpc::Status status = ToGrpcStatus(WithResource(
      absl::InternalError(std::string(100'000, 'x')), "org/model"));
  EXPECT_LT(status.error_message().size() + status.error_details().size(),
            6000u);
}

TEST(StatusMapping, HidesWhereTheStoreIs) {
  const absl::Status error = WithReason(
      absl::InternalError("opening /srv/q/staging/63-plain.sst"), "X");
  const absl::Status hidden = HideDirectory(error, "/srv/q");
  EXPECT_EQ(std::string(hidden.message()),
            "opening <data-dir>/staging/63-plain.sst");
  EXPECT_EQ(ReasonOf(hidden), "X");
  EXPECT_EQ(HideDirectory(error, "o"), error);
  EXPECT_EQ(HideDirectory(error, "/"), error);
  EXPECT_TRUE(HideDirectory(absl::OkStatus(), "/srv/q").ok());
}

TEST(StatusMapping, NothingThatIsSentSteersATerminal) {
  EXPECT_EQ(
      ToGrpcStatus(absl::NotFoundError("a\x1b\u202e\xff"), {}).error_message(),
      "a\\x1b\\u202e\\xff");
}

}  // namespace
}  // namespace qstore::server
