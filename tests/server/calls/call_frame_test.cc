// What the frame does around the work of any call.
#include "server/calls/call_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "base/error_reason.h"
#include "qstore/v1/admin.pb.h"
#include "qstore/v1/model_store.pb.h"
#include "tests/server/calls/call_server.h"
#include "tests/server/calls/log_lines.h"

namespace qstore::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CallFrameTest : public ::testing::Test {
 protected:
  LogLines lines_;
  CallServer server_;
};

size_t CountOf(const std::string& needle, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(needle); at != std::string::npos;
       at = text.find(needle, at + 1)) {
    ++count;
  }
  return count;
}

v1::Reference ReferenceTo(const std::string& model) {
  v1::Reference reference;
  reference.set_model(model);
  return reference;
}

TEST_F(CallFrameTest, EveryReasonReachesTheClient) {
  for (const ErrorReason& reason : ErrorReasons()) {
    const grpc::Status status =
        server_.Call(kListModelsMethod, [&](CallFrame*) {
          return WithReason(absl::Status(reason.code, "a sentence"),
                            reason.word);
        });
    EXPECT_EQ(static_cast<int>(status.error_code()),
              static_cast<int>(reason.code));
    EXPECT_THAT(status.error_message(), StartsWith("a sentence"));
    const google::rpc::ErrorInfo info = ErrorInfoOf(status);
    EXPECT_EQ(info.reason(), reason.word);
    EXPECT_EQ(info.domain(), "qstore");
    EXPECT_TRUE(info.metadata().empty());
  }
}

TEST_F(CallFrameTest, NoErrorIsWithoutAReason) {
  for (int number = 1; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    const grpc::Status status = server_.Call(
        kListModelsMethod, [&](CallFrame*) { return absl::Status(code, "x"); });
    EXPECT_EQ(ErrorInfoOf(status).reason(), DefaultReason(code)) << number;
  }
}

TEST_F(CallFrameTest, DetailsNameTheSubject) {
  const grpc::Status status =
      server_.Call(kDeleteMethod, [](CallFrame* call) -> absl::Status {
        EXPECT_TRUE(call->Authorize(ReferenceTo("org/model")).ok());
        call->set_revision("0123abcd");
        return WithRetryHint(absl::UnavailableError("busy"), absl::Seconds(3));
      });
  const google::rpc::ErrorInfo info = ErrorInfoOf(status);
  EXPECT_EQ(info.metadata().at("model"), "org/model");
  EXPECT_EQ(info.metadata().at("revision"), "0123abcd");
  EXPECT_TRUE(HasRetryInfo(status));
  google::rpc::ResourceInfo resource;
  const google::rpc::Status details = DetailsOf(status);
  ASSERT_EQ(details.details_size(), 3);
  for (const google::protobuf::Any& detail : details.details()) {
    detail.UnpackTo(&resource);
  }
  EXPECT_EQ(resource.resource_name(), "org/model");
}

TEST_F(CallFrameTest, HostileNamesAreNoMetadata) {
  const grpc::Status status = server_.Call(kDeleteMethod, [](CallFrame* call) {
    return call->Authorize(ReferenceTo("../\x01\n" + std::string(300, 'a')))
        .status();
  });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "INVALID_NAME");
  EXPECT_TRUE(ErrorInfoOf(status).metadata().empty());
}

// Peers end a call with another error when its trailers exceed 8 KiB.
TEST_F(CallFrameTest, LongMessagesArriveCut) {
  for (const std::string& piece :
       {std::string("x"), std::string("%"), std::string("\xC3\xA9"),
        std::string("\n"), std::string("\xFF"), std::string("\x00", 1),
        std::string("\xF0\x9F\x98\x80")}) {
    std::string message = "chunk 3: ";
    while (message.size() < 100'000) message += piece;
    const grpc::Status status =
        server_.Call(kDeleteMethod, [&](CallFrame* call) -> absl::Status {
          const std::string longest(200, 'm');
          EXPECT_TRUE(call->Authorize(ReferenceTo(longest)).ok());
          call->set_revision(std::string(64, 'f'));
          return WithRetryHint(WithReason(absl::InternalError(message),
                                          kReasonTensorListTooLarge),
                               absl::Seconds(2));
        });
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL) << piece;
    EXPECT_THAT(status.error_message(), StartsWith("chunk 3: "));
    EXPECT_THAT(status.error_message(), ::testing::EndsWith("..."));
    EXPECT_EQ(ErrorInfoOf(status).reason(), kReasonTensorListTooLarge);
    EXPECT_TRUE(HasRetryInfo(status));
  }
}

TEST_F(CallFrameTest, AdvisesOnDamageOnce) {
  const auto damage = [](CallFrame* call) -> absl::Status {
    EXPECT_TRUE(call->Authorize("org/model").ok());
    return WithRetryHint(absl::DataLossError("chunk 0 is damaged"),
                         absl::Seconds(1));
  };
  const std::string advice = "upload it again from its source";
  for (const CallMethod* method : kCallMethods) {
    const grpc::Status status = server_.Call(*method, damage);
    EXPECT_EQ(CountOf(advice, status.error_message()),
              method->advises_on_damage ? 1u : 0u)
        << method->name;
    EXPECT_EQ(ErrorInfoOf(status).reason(), "DAMAGED") << method->name;
    EXPECT_TRUE(HasRetryInfo(status)) << method->name;
  }
  EXPECT_TRUE(kDownloadMethod.advises_on_damage);
  EXPECT_FALSE(kUploadMethod.advises_on_damage);
  // What was damaged on the way is whole where it came from.
  const grpc::Status status = server_.Call(kListModelsMethod, [](CallFrame*) {
    return WithReason(absl::DataLossError("x"), kReasonDamagedInTransit);
  });
  EXPECT_EQ(status.error_message(), "x");
}

TEST_F(CallFrameTest, OneLineInTheLogForEachCall) {
  std::string id;
  server_.Call(kDeleteMethod, [&](CallFrame* call) {
    id = call->request_id();
    call->set_object("org/model:v1");
    EXPECT_TRUE(call->Authorize("org/model").ok());
    call->add_bytes(3000);
    return absl::OkStatus();
  });
  EXPECT_THAT(lines_.str(), HasSubstr("Delete org/model:v1 from ipv4:"));
  EXPECT_THAT(lines_.str(), HasSubstr("OK, "));
  EXPECT_THAT(lines_.str(), HasSubstr("request " + id + "\n"));
  EXPECT_EQ(CountOf("\n", lines_.str()), 1u);
  lines_.clear();
  server_.Call(kDeleteMethod, [&](CallFrame* call) {
    id = call->request_id();
    return WithReason(absl::NotFoundError("no tag"), kReasonTagNotFound);
  });
  EXPECT_THAT(lines_.str(), HasSubstr("NOT_FOUND: no tag (TAG_NOT_FOUND)"));
  EXPECT_THAT(lines_.str(), HasSubstr("[warning]"));
  EXPECT_THAT(lines_.str(), HasSubstr("request " + id + "\n"));
  lines_.clear();
  server_.Call(kDeleteMethod,
               [&](CallFrame*) { return absl::InternalError("disk"); });
  EXPECT_THAT(lines_.str(), HasSubstr("[error]"));
}

// An operator is woken by what is wrong with the store, not by the network.
TEST_F(CallFrameTest, DamageInTransitIsNoErrorOfTheStore) {
  server_.Call(kUploadMethod, [](CallFrame*) {
    return WithReason(absl::DataLossError("x"), kReasonDamagedInTransit);
  });
  EXPECT_THAT(lines_.str(), HasSubstr("(DAMAGED_IN_TRANSIT)"));
  EXPECT_THAT(lines_.str(), HasSubstr("[warning]"));
  lines_.clear();
  server_.Call(kDownloadMethod,
               [](CallFrame*) { return absl::DataLossError("x"); });
  EXPECT_THAT(lines_.str(), HasSubstr("[error]"));
}

TEST_F(CallFrameTest, CountsByMethodAndCode) {
  EXPECT_EQ(server_.counts().Summary(), "");
  for (const uint64_t bytes : {1000u, 24u}) {
    server_.Call(kUploadMethod, [&](CallFrame* call) {
      call->add_bytes(bytes);
      return call->Authorize("org/model");
    });
  }
  server_.Call(kUploadMethod, [](CallFrame* call) {
    call->add_bytes(7);
    return absl::CancelledError("gone");
  });
  const CallCounts::Totals totals = server_.counts().totals();
  ASSERT_EQ(totals.size(), 2u);
  const CallTotals& ok = totals.at({"Upload", absl::StatusCode::kOk});
  EXPECT_EQ(ok.call_count, 2u);
  EXPECT_EQ(ok.payload_bytes, 1024u);
  EXPECT_GT(ok.seconds, 0);
  const CallTotals& gone = totals.at({"Upload", absl::StatusCode::kCancelled});
  EXPECT_EQ(gone.call_count, 1u);
  EXPECT_EQ(gone.payload_bytes, 7u);
  EXPECT_THAT(server_.counts().Summary(),
              ::testing::MatchesRegex("Upload OK: 2 calls, .*; "
                                      "Upload CANCELLED: 1 calls, 7 B, .* s"));
}

TEST_F(CallFrameTest, WorkBeginsWhenAdmittedAlone) {
  size_t running = 0;
  EXPECT_TRUE(server_
                  .Call(kListModelsMethod,
                        [&](CallFrame*) {
                          running = server_.admission().running_calls();
                          return absl::OkStatus();
                        })
                  .ok());
  EXPECT_EQ(running, 1u);
  // The client has the answer a moment before the place is free.
  EXPECT_TRUE(server_.admission().WaitUntilIdle(
      std::chrono::steady_clock::now() + std::chrono::minutes(1)));
  server_.admission().StopAdmitting();
  bool ran = false;
  const grpc::Status status = server_.Call(kListModelsMethod, [&](CallFrame*) {
    ran = true;
    return absl::OkStatus();
  });
  EXPECT_FALSE(ran);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "DRAINING");
  EXPECT_TRUE(HasRetryInfo(status));
}

TEST(CallMethods, EveryRpcHasOne) {
  std::multiset<std::string> of_protos;
  for (const google::protobuf::FileDescriptor* file :
       {v1::GetRevisionRequest::descriptor()->file(),
        v1::GetScrubStatusRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor* service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        of_protos.insert(service->method(j)->name());
      }
    }
  }
  std::multiset<std::string> of_table;
  for (const CallMethod* method : kCallMethods) of_table.insert(method->name);
  EXPECT_EQ(of_table, of_protos);
}

}  // namespace
}  // namespace qstore::server
