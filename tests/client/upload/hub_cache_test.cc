#include "client/upload/hub_cache.h"

#include "base/error_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

class HubCacheTest : public ::testing::Test {
 protected:
  std::string Refused(const std::string& directory) {
    const absl::Status status = CheckIsNoHubCache(root_.path() / directory);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(status), kReasonAccident);
    return std::string(status.message());
  }

  TemporaryDirectory root_;
};

TEST_F(HubCacheTest, ARepositoryNamesItsSnapshot) {
  root_.Write("models--org--m/blobs/0123", "weights");
  root_.Write("models--org--m/snapshots/aaa/config.json", "{}");
  EXPECT_THAT(Refused("models--org--m"), HasSubstr("/snapshots/aaa\""));
  root_.Write("models--org--m/snapshots/bbb/config.json", "{}");
  EXPECT_THAT(Refused("models--org--m"), HasSubstr("one of its snapshots"));
  root_.Write("models--org--m/refs/main", "bbb\n");
  EXPECT_THAT(Refused("models--org--m"), HasSubstr("/snapshots/bbb\""));
  EXPECT_THAT(Refused(""), HasSubstr("such as \""));
  EXPECT_TRUE(
      CheckIsNoHubCache(root_.path() / "models--org--m/snapshots/aaa").ok());
}

TEST_F(HubCacheTest, OtherDirectoriesPass) {
  root_.Write("m/blobs/x", "1");
  root_.Write("m/config.json", "{}");
  EXPECT_TRUE(CheckIsNoHubCache(root_.path() / "m").ok());
  EXPECT_TRUE(CheckIsNoHubCache(root_.path() / "m/config.json").ok());
  EXPECT_TRUE(CheckIsNoHubCache(root_.path() / "none").ok());
}

}  // namespace
}  // namespace qstore::client
