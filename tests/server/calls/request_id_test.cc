#include "server/calls/request_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/calls/call_server.h"

namespace qstore::server {
namespace {

using ::testing::MatchesRegex;

// What the client is told after it has sent these.
std::string AnswerTo(CallServer* server, const std::vector<std::string>& ids,
                     absl::Status result = absl::OkStatus()) {
  grpc::ClientContext context;
  for (const std::string& id : ids) context.AddMetadata(kRequestIdKey, id);
  std::string seen;
  server->Call(
      kListModelsMethod,
      [&](CallFrame* call) {
        seen = call->request_id();
        return result;
      },
      &context);
  const auto& metadata = context.GetServerInitialMetadata();
  EXPECT_EQ(metadata.count(kRequestIdKey), 1u);
  const auto found = metadata.find(kRequestIdKey);
  if (found == metadata.end()) return "";
  std::string told(found->second.data(), found->second.size());
  EXPECT_EQ(told, seen);
  return told;
}

TEST(RequestId, IsTheClientsWhereItGaveOne) {
  CallServer server;
  for (const std::string& id :
       {std::string("a"), std::string("Trace-0.1_b"), std::string(64, 'z')}) {
    EXPECT_EQ(AnswerTo(&server, {id}), id);
    EXPECT_EQ(AnswerTo(&server, {id}, absl::NotFoundError("x")), id);
  }
}

TEST(RequestId, IsMadeWhereThereIsNone) {
  CallServer server;
  const std::string first = AnswerTo(&server, {});
  EXPECT_THAT(first, MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(AnswerTo(&server, {}), first);
}

TEST(RequestId, HostileOnesAreNotRepeated) {
  CallServer server;
  for (const std::string& id :
       {std::string(), std::string(65, 'z'), std::string(5000, 'z'),
        std::string("a b"), std::string("a/b"), std::string("a;b"),
        std::string("\"}, {\"level\":\"error\""), std::string("$(reboot)")}) {
    EXPECT_THAT(AnswerTo(&server, {id}), MatchesRegex("[0-9a-f]{16}")) << id;
  }
  EXPECT_THAT(AnswerTo(&server, {"one", "two"}), MatchesRegex("[0-9a-f]{16}"));
}

TEST(RequestId, Rule) {
  EXPECT_TRUE(IsRequestId("A-z.0_9"));
  EXPECT_FALSE(IsRequestId(""));
  EXPECT_FALSE(IsRequestId("a\n"));
  EXPECT_FALSE(IsRequestId("\xC3\xA9"));
  EXPECT_FALSE(IsRequestId(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace qstore::server
