#include "client/rpc_status.h"

#include <set>
#include <string>

#include "base/error_reason.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/error_details.h"

namespace qstore::client {
namespace {

using grpc::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status From(const grpc::Status& status) {
  return FromGrpcStatus(status, "host:1");
}

std::string SentenceOf(const grpc::Status& status) {
  return std::string(From(status).message());
}

TEST(RpcStatus, WhatTheServerSaysIsKept) {
  EXPECT_TRUE(From(grpc::Status::OK).ok());
  const absl::Status status = From(DetailedStatus(
      StatusCode::RESOURCE_EXHAUSTED, "busy",
      {RetryInfo(3), Detail("ResourceInfo", ""), ErrorInfo("TOO_MANY_CALLS")}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "busy");
  EXPECT_EQ(ReasonOf(status), kReasonTooManyCalls);
  EXPECT_EQ(RetryDelay(status), absl::Seconds(3));
  EXPECT_EQ(RetryDelay(Annotate(status, "uploading")), absl::Seconds(3));
}

// A sentence says what it likes: with a reason, nobody reads it.
TEST(RpcStatus, AReasonDecidesAndNotTheCodeOrTheSentence) {
  const absl::Status sync = From(ErrorWith(
      StatusCode::INTERNAL, "syncing: RST_STREAM, Stream removed", "INTERNAL"));
  EXPECT_EQ(sync.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(sync), kReasonInternal);
  EXPECT_FALSE(IsTransient(sync));
  EXPECT_EQ(SentenceOf(ErrorWith(StatusCode::UNAVAILABLE,
                                 "the store takes no writes", "UNAVAILABLE")),
            "the store takes no writes");
  EXPECT_EQ(
      SentenceOf(ErrorWith(StatusCode::UNIMPLEMENTED,
                           "this engine makes no backups", "UNSUPPORTED")),
      "this engine makes no backups");
  EXPECT_EQ(ReasonOf(From(ErrorWith(StatusCode::CANCELLED,
                                    "SLOW_CLIENT: so it seems", "CANCELLED"))),
            kReasonCancelled);
}

TEST(RpcStatus, AServerThatIsStoppedSaysSo) {
  const grpc::Status status =
      ErrorWith(StatusCode::UNAVAILABLE, "shutting down", "DRAINING");
  EXPECT_THAT(
      SentenceOf(status),
      AllOf(HasSubstr("qstored at host:1 is being stopped"),
            HasSubstr("shutting down"), ::testing::Not(HasSubstr("answer"))));
  EXPECT_EQ(ReasonOf(From(status)), kReasonDraining);
  EXPECT_TRUE(IsTransient(From(status)));
}

TEST(RpcStatus, AConnectionThatBrokeIsLost) {
  for (const grpc::Status& status :
       {grpc::Status(StatusCode::UNAVAILABLE, "Socket closed"),
        grpc::Status(StatusCode::INTERNAL,
                     "Received RST_STREAM with error code 2"),
        grpc::Status(StatusCode::UNKNOWN, "Stream removed")}) {
    const absl::Status lost = From(status);
    EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(lost), kReasonConnectionLost);
    EXPECT_THAT(std::string(lost.message()),
                AllOf(HasSubstr("qstored at host:1 does not answer any more"),
                      HasSubstr(status.error_message())));
    EXPECT_TRUE(IsTransient(lost));
  }
}

TEST(RpcStatus, EveryErrorHasAReason) {
  for (int code = 1; code <= 17; ++code) {
    const absl::Status status =
        From(grpc::Status(static_cast<StatusCode>(code), "something"));
    EXPECT_NE(FindErrorReason(ReasonOf(status)), nullptr) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("something"));
  }
  const absl::Status unknown_call =
      From({StatusCode::UNIMPLEMENTED, "no such method"});
  EXPECT_EQ(ReasonOf(unknown_call), kReasonUnsupported);
  EXPECT_THAT(std::string(unknown_call.message()),
              HasSubstr("of this version"));
  EXPECT_THAT(SentenceOf({StatusCode::INTERNAL, ""}), HasSubstr("see its log"));
}

TEST(RpcStatus, TheReasonOfAStreamThatWasCutOff) {
  const absl::Status slow = From(
      {StatusCode::CANCELLED, "SLOW_CLIENT: the client took nothing for 1s"});
  EXPECT_EQ(ReasonOf(slow), kReasonSlowClient);
  EXPECT_EQ(slow.message(),
            "qstored at host:1 has cut this call off: the client took nothing "
            "for 1s");
  EXPECT_TRUE(IsTransient(slow));
  // Not every word before a colon is one, nor one of any code.
  for (const char* text : {"Cancelled on the server side", "SLOW_CLIENT",
                           "WORD: text", "MODEL_NOT_FOUND: text", ": text"}) {
    const absl::Status status = From({StatusCode::CANCELLED, text});
    EXPECT_EQ(ReasonOf(status), kReasonCancelled) << text;
    EXPECT_EQ(status.message(), text);
  }
}

TEST(RpcStatus, MalformedDetailsAreNone) {
  const std::string url = "type.googleapis.com/google.rpc.ErrorInfo";
  for (const std::string& details :
       {std::string("\xff\xff"), BytesField(3, "\xff"),
        BytesField(3, BytesField(1, url)),
        BytesField(3, Detail("ErrorInfo", "\xff")),
        BytesField(3, ErrorInfo("no word")),
        BytesField(3, ErrorInfo(std::string(64, 'A'))),
        BytesField(3, Detail("Other", BytesField(1, "DRAINING")))}) {
    const absl::Status status =
        From(grpc::Status(StatusCode::NOT_FOUND, "none", details));
    EXPECT_EQ(ReasonOf(status), kReasonNotFound);
    EXPECT_EQ(status.message(), "none");
  }
}

TEST(RpcStatus, WhatIsTriedAgain) {
  const std::set<std::string> passing = {
      kReasonUnreachable, kReasonConnectionLost, kReasonDraining,
      kReasonUnavailable, kReasonCancelled,      kReasonSlowClient};
  for (const ErrorReason& reason : ErrorReasons()) {
    const auto code = static_cast<StatusCode>(reason.code);
    const absl::Status status = From(ErrorWith(code, "x", reason.word));
    EXPECT_EQ(IsTransient(status), passing.count(reason.word) == 1)
        << reason.word;
    // The server's word for it.
    EXPECT_TRUE(IsTransient(From(
        DetailedStatus(code, "x", {ErrorInfo(reason.word), RetryInfo(1)}))));
  }
  // The word of a later version: its code tells.
  EXPECT_TRUE(
      IsTransient(From(ErrorWith(StatusCode::UNAVAILABLE, "x", "MOVING"))));
  EXPECT_FALSE(
      IsTransient(From(ErrorWith(StatusCode::NOT_FOUND, "x", "MOVING"))));
}

}  // namespace
}  // namespace qstore::client
