#include "client/upload/directory_walk.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DirectoryWalkTest : public ::testing::Test {
 protected:
  std::vector<std::string> Paths() {
    const auto files = ListModelFiles(directory_.path());
    EXPECT_TRUE(files.ok()) << files.status();
    std::vector<std::string> paths;
    if (files.ok()) {
      for (const SourceFile& file : *files) paths.push_back(file.path);
    }
    return paths;
  }

  // The message of the error that the walk must end with.
  std::string Failure(absl::StatusCode code) {
    const auto files = ListModelFiles(directory_.path());
    EXPECT_EQ(files.status().code(), code);
    return std::string(files.status().message());
  }

  TemporaryDirectory directory_;
};

TEST_F(DirectoryWalkTest, ListsFilesOfSubdirectoriesInOrderOfTheirPaths) {
  directory_.Write("b.txt", "12");
  directory_.Write("a/z.txt", "1");
  directory_.Write("a.txt", "");
  directory_.Write(".hidden", "1");
  directory_.Write("a/b/c.txt", "1");
  EXPECT_THAT(Paths(),
              ElementsAre(".hidden", "a.txt", "a/b/c.txt", "a/z.txt", "b.txt"));
}

TEST_F(DirectoryWalkTest, ReportsSizes) {
  directory_.Write("x", "12345");
  const auto files = ListModelFiles(directory_.path());
  ASSERT_TRUE(files.ok());
  EXPECT_EQ((*files)[0].size_bytes, 5u);
}

TEST_F(DirectoryWalkTest, SkipsGitAndEmptyDirectories) {
  directory_.Write(".git/HEAD", "ref");
  directory_.Write("sub/.git/HEAD", "ref");
  directory_.Write(".gitattributes", "x");
  fs::create_directory(directory_.path() / "empty");
  EXPECT_THAT(Paths(), ElementsAre(".gitattributes"));
}

TEST_F(DirectoryWalkTest, LeavesOutWhatIsNoPartOfAModel) {
  directory_.Write("config.json", "{}");
  for (const char* file :
       {".env", "sub/.env.local", "__pycache__/a.pyc",
        "sub/.ipynb_checkpoints/x", ".cache/huggingface/download/y"}) {
    directory_.Write(file, "secret");
  }
  directory_.Write(".cache/mine", "1");
  directory_.Write(".environment", "1");
  std::vector<std::string> left_out;
  const auto files = ListModelFiles(directory_.path(), {}, &left_out);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->size(), 3u);
  EXPECT_THAT(left_out,
              ElementsAre(".cache/huggingface", ".env", "__pycache__",
                          "sub/.env.local", "sub/.ipynb_checkpoints"));
  const auto all = ListModelFiles(directory_.path(), {.all_files = true});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 8u);
}

TEST_F(DirectoryWalkTest, FollowsLinksToFilesAnywhere) {
  const TemporaryDirectory cache;
  cache.Write("blobs/0123", "weights");
  fs::create_symlink(cache.path() / "blobs/0123",
                     directory_.path() / "model.bin");
  const auto files = ListModelFiles(directory_.path());
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].path, "model.bin");
  EXPECT_EQ((*files)[0].size_bytes, 7u);
}

TEST_F(DirectoryWalkTest, RefusesLinksToDirectories) {
  directory_.Write("x", "1");
  fs::create_directory_symlink("..", directory_.path() / "up");
  const std::string message = Failure(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(message, HasSubstr("up"));
  EXPECT_THAT(message, HasSubstr("link to a directory"));
}

TEST_F(DirectoryWalkTest, RefusesDanglingAndCircularLinks) {
  fs::create_symlink("nowhere", directory_.path() / "dangling");
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument),
              HasSubstr("does not exist"));
  fs::remove(directory_.path() / "dangling");
  fs::create_symlink("self", directory_.path() / "self");
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument),
              HasSubstr("cannot be followed"));
}

TEST_F(DirectoryWalkTest, RefusesPipes) {
  ASSERT_EQ(mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  const std::string message = Failure(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(message, HasSubstr("pipe"));
  EXPECT_THAT(message, HasSubstr("neither a regular file"));
}

TEST_F(DirectoryWalkTest, RefusesSockets) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = (directory_.path() / "socket").native();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument),
              HasSubstr("neither a regular file"));
  close(descriptor);
}

TEST_F(DirectoryWalkTest, RefusesNamesThatTheStoreDoesNotTake) {
  directory_.Write("back\\slash", "1");
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument), HasSubstr("slash"));
}

TEST_F(DirectoryWalkTest, RefusesNamesOfItsOwnFiles) {
  directory_.Write("sub/.good.qstore-partial-1/evil.py", "1");
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument),
              HasSubstr("remove or rename it"));
}

TEST_F(DirectoryWalkTest, RefusesAnEmptyDirectory) {
  EXPECT_THAT(Failure(absl::StatusCode::kInvalidArgument),
              HasSubstr("holds no files"));
}

TEST_F(DirectoryWalkTest, NamesAMissingDirectory) {
  const auto files = ListModelFiles(directory_.path() / "none");
  EXPECT_EQ(files.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(files.status().message()), HasSubstr("none"));
}

TEST_F(DirectoryWalkTest, TakesOneSafetensorsFileAndNoOther) {
  directory_.Write("m.safetensors", "x");
  directory_.Write("m.bin", "x");
  const auto files = ListModelFiles(directory_.path() / "m.safetensors");
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].path, "m.safetensors");
  EXPECT_EQ(ListModelFiles(directory_.path() / "m.bin").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(DirectoryWalkTest, ChecksSafetensorsHeaders) {
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string length(8, '\0');
  StoreLittleEndian<uint64_t>(header.size(), length.data());
  directory_.Write("good.safetensors", length + header + "abcd");
  directory_.Write("cut.safetensors", length + header + "abc");
  directory_.Write("short.safetensors", "abc");
  directory_.Write("huge.safetensors", std::string(16, '\xff'));
  const auto check = [this](const std::string& name) {
    const auto files = ListModelFiles(directory_.path() / name);
    return ReadSafetensorsHeader(files->front()).status();
  };
  EXPECT_TRUE(check("good.safetensors").ok());
  for (const char* bad :
       {"cut.safetensors", "short.safetensors", "huge.safetensors"}) {
    const absl::Status status = check(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad));
  }
}

}  // namespace
}  // namespace qstore::client
