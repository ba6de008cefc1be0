#include "client/sinks/staged_tree.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class StagedTreeTest : public ::testing::Test {
 protected:
  StagedTreeTest() {
    outside_.Write("victim", "precious");
    outside_.Write("sub/b", "precious");
  }

  void KeepOnly(const std::vector<std::string>& files) {
    const absl::Status status = RemoveAllBut(root_.path(), files);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_THAT(ReadTree(outside_.path()),
                UnorderedElementsAre(Pair("victim", "precious"),
                                     Pair("sub/b", "precious")));
  }

  const TemporaryDirectory root_;
  const TemporaryDirectory outside_;
};

TEST_F(StagedTreeTest, KeepsFilesAndTheirDirectories) {
  root_.Write("a", "1");
  root_.Write("sub/deep/b", "2");
  KeepOnly({"a", "sub/deep/b", "not/there"});
  EXPECT_THAT(ReadTree(root_.path()),
              UnorderedElementsAre(Pair("a", "1"), Pair("sub/deep/b", "2")));
}

TEST_F(StagedTreeTest, RemovesWhatIsNotListed) {
  root_.Write("a", "1");
  root_.Write("evil.py", "x");
  root_.Write("sub/b", "2");
  root_.Write("sub/evil.py", "x");
  root_.Write("other/deep/evil.py", "x");
  fs::create_directories(root_.path() / "empty/empty");
  KeepOnly({"a", "sub/b"});
  EXPECT_THAT(ReadTree(root_.path()),
              UnorderedElementsAre(Pair("a", "1"), Pair("sub/b", "2")));
  EXPECT_FALSE(fs::exists(root_.path() / "other"));
  EXPECT_FALSE(fs::exists(root_.path() / "empty"));
}

TEST_F(StagedTreeTest, RemovesLinksWithoutFollowingThem) {
  fs::create_symlink(outside_.path() / "victim", root_.path() / "a");
  fs::create_symlink(outside_.path() / "sub", root_.path() / "sub");
  fs::create_symlink(outside_.path(), root_.path() / "unlisted");
  fs::create_hard_link(outside_.path() / "victim", root_.path() / "c");
  KeepOnly({"a", "sub/b", "c"});
  EXPECT_TRUE(fs::is_empty(root_.path()));
}

TEST_F(StagedTreeTest, RemovesPipesAndWrongKinds) {
  ASSERT_EQ(mkfifo((root_.path() / "pipe").c_str(), 0600), 0);
  root_.Write("file/x", "a directory where a file goes");
  root_.Write("directory", "a file where a directory goes");
  KeepOnly({"pipe", "file", "directory/x"});
  EXPECT_TRUE(fs::is_empty(root_.path()));
}

TEST_F(StagedTreeTest, ChecksThatAllAreFilesOfTheirOwn) {
  root_.Write("a", "1");
  EXPECT_TRUE(CheckAreSoleFiles(root_.path(), {"a"}).ok());
  fs::create_hard_link(root_.path() / "a", outside_.path() / "a");
  ASSERT_EQ(mkfifo((root_.path() / "pipe").c_str(), 0600), 0);
  for (const char* file : {"a", "pipe", "missing"}) {
    const absl::Status status = CheckAreSoleFiles(root_.path(), {file});
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
  }
}

TEST_F(StagedTreeTest, NamesADirectoryThatIsNotThere) {
  const absl::Status status = RemoveAllBut(root_.path() / "none", {});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

// As "a" and "A" are on file systems that know no difference.
TEST(StagedFilesTest, TwoNamesOfOneFileAreRefused) {
  const TemporaryDirectory root;
  root.Write("a", "1");
  root.Write("b", "2");
  EXPECT_TRUE(CheckAreSoleFiles(root.path(), {"a", "b"}).ok());
  const absl::Status status = CheckAreSoleFiles(root.path(), {"a", "b", "./a"});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("for one"), std::string::npos);
}

}  // namespace
}  // namespace qstore::client
