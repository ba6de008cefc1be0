#include "client/sinks/file_origin.h"

#include <sys/xattr.h>

#include <chrono>

#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

// The file systems that these tests run on have attributes.
TEST(FileOriginTest, RemembersUntilSomebodyWrites) {
  const TemporaryDirectory root;
  root.Write("a", "12345");
  const fs::path file = root.path() / "a";
  EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "");
  RememberOrigin(root.path(), "a", "org/m@0123");
  ASSERT_EQ(UnchangedOrigin(root.path(), "a"), "org/m@0123");
  // Not elsewhere, but where its directory is moved to.
  fs::create_directory(root.path() / "sub");
  fs::rename(file, root.path() / "sub/a");
  EXPECT_EQ(UnchangedOrigin(root.path(), "sub/a"), "");
  EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "");
  EXPECT_EQ(UnchangedOrigin(root.path() / "sub", "a"), "org/m@0123");
  fs::rename(root.path() / "sub/a", file);
  fs::last_write_time(file,
                      fs::last_write_time(file) + std::chrono::nanoseconds(1));
  EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "");
  RememberOrigin(root.path(), "a", "org/m@4567");
  EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "org/m@4567");
  fs::resize_file(file, 4);
  EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "");
}

TEST(FileOriginTest, FollowsNoLinkAndBelievesNoNonsense) {
  const TemporaryDirectory root;
  root.Write("a", "1");
  RememberOrigin(root.path(), "a", "org/m@0123");
  fs::create_symlink("a", root.path() / "link");
  EXPECT_EQ(UnchangedOrigin(root.path(), "link"), "");
  fs::create_directory(root.path() / "d");
  RememberOrigin(root.path(), "d", "org/m@0123");
  EXPECT_EQ(UnchangedOrigin(root.path(), "d"), "");
  for (const std::string& text :
       {std::string(), std::string("1 "), std::string(400, 'x'),
        std::string("2 1 0.0 org/m@0123")}) {
    setxattr((root.path() / "a").c_str(), "user.qstore.origin", text.data(),
             text.size(), 0);
    EXPECT_EQ(UnchangedOrigin(root.path(), "a"), "");
  }
}

}  // namespace
}  // namespace qstore::client
