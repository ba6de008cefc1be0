#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/error_reason.h"

namespace qstore {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "file_test.XXXXXX").native();
    directory_ = mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(FileTest, ReadsBackWhatItWrote) {
  const std::filesystem::path path = directory_ / "f";
  {
    File file = *File::Create(path);
    EXPECT_EQ(file.path(), path);
    // Out of order, leaving no hole.
    ASSERT_TRUE(file.WriteAt(5, AsBytes("world")).ok());
    ASSERT_TRUE(file.WriteAt(0, AsBytes("hello")).ok());
    ASSERT_TRUE(file.Sync().ok());
    ASSERT_TRUE(file.Close().ok());
  }
  const File file = *File::OpenForRead(path);
  EXPECT_EQ(*file.SizeBytes(), 10u);
  ByteVector middle(4);
  ASSERT_TRUE(file.ReadAt(3, middle).ok());
  EXPECT_EQ(AsStringView(middle), "lowo");
  EXPECT_EQ(*ReadWholeFile(path, 10), "helloworld");
}

TEST_F(FileTest, CreateTruncates) {
  const std::filesystem::path path = directory_ / "f";
  ASSERT_TRUE(File::Create(path)->WriteAt(0, AsBytes("long")).ok());
  ASSERT_TRUE(File::Create(path)->WriteAt(0, AsBytes("x")).ok());
  EXPECT_EQ(*ReadWholeFile(path, 100), "x");
}

TEST_F(FileTest, TruncateSetsTheSize) {
  File file = *File::Create(directory_ / "f");
  ASSERT_TRUE(file.WriteAt(0, AsBytes("abcdef")).ok());
  ASSERT_TRUE(file.Truncate(2).ok());
  EXPECT_EQ(*file.SizeBytes(), 2u);
  ASSERT_TRUE(file.Truncate(4).ok());
  ByteVector all(4);
  ASSERT_TRUE(file.ReadAt(0, all).ok());
  EXPECT_EQ(all, (ByteVector{'a', 'b', 0, 0}));
}

TEST_F(FileTest, ReadingPastTheEndSaysWhereTheFileEnds) {
  const std::filesystem::path path = directory_ / "f";
  File file = *File::Create(path);
  ASSERT_TRUE(file.WriteAt(0, AsBytes("abc")).ok());
  ByteVector out(5);
  const absl::Status status = file.ReadAt(1, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(),
            "reading " + path.native() +
                ": the file ends at byte 3, but 5 bytes were wanted from byte "
                "1");
  // Not every such code means this: the system's EOVERFLOW has it too.
  EXPECT_EQ(ReasonOf(status), kReasonOutOfRange);
  EXPECT_EQ(ErrnoStatus(EOVERFLOW, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(ErrnoStatus(EOVERFLOW, "x")), "");
  EXPECT_TRUE(file.ReadAt(3, {}).ok());
}

TEST_F(FileTest, MoveTakesTheDescriptor) {
  File first = *File::Create(directory_ / "a");
  File second = *File::Create(directory_ / "b");
  second = std::move(first);
  EXPECT_EQ(second.path(), directory_ / "a");
  ASSERT_TRUE(second.WriteAt(0, AsBytes("moved")).ok());
  const File third = std::move(second);
  EXPECT_EQ(*third.SizeBytes(), 5u);
  EXPECT_EQ(std::filesystem::file_size(directory_ / "b"), 0u);
}

TEST_F(FileTest, AbsentFilesAreNotFoundAndNamed) {
  const std::filesystem::path path = directory_ / "absent";
  const absl::Status status = File::OpenForRead(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "opening " + path.native() + ": No such file or directory");
  EXPECT_EQ(ReadWholeFile(path, 1).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(File::Create(directory_ / "no" / "such").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(RenameDurably(path, directory_ / "x").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(SyncDirectory(path).code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, FullDeviceIsResourceExhausted) {
  File full = *File::Create("/dev/full");
  const absl::Status status = full.WriteAt(0, AsBytes("x"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "writing /dev/full: No space left on device");
}

TEST_F(FileTest, FileSizeLimitIsAnErrorThatNamesTheFile) {
  File file = *File::Create(directory_ / "f");
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  // Half of it fits: the short write must be continued and then fail.
  const absl::Status status = file.WriteAt(0, ByteVector(8192));
  std::signal(SIGXFSZ, old_handler);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("writing " + (directory_ / "f").native()));
}

TEST_F(FileTest, OffsetsBeyondTheFileSystemAreErrors) {
  File file = *File::Create(directory_ / "f");
  ByteVector out(1);
  EXPECT_FALSE(file.ReadAt(~uint64_t{0}, out).ok());
  EXPECT_FALSE(file.WriteAt(~uint64_t{0} - 1, out).ok());
  EXPECT_FALSE(file.Truncate(~uint64_t{0}).ok());
}

TEST_F(FileTest, ErrnoMapsToCodes) {
  EXPECT_EQ(ErrnoStatus(ENOSPC, "x").code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EDQUOT, "x").code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "x").code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "writing /x/y").message(),
            "writing /x/y: No space left on device");
}

TEST_F(FileTest, ReadWholeFileRefusesMoreThanItsBound) {
  const std::filesystem::path path = directory_ / "f";
  ASSERT_TRUE(File::Create(path)->WriteAt(0, AsBytes("12345")).ok());
  EXPECT_EQ(*ReadWholeFile(path, 5), "12345");
  const absl::Status status = ReadWholeFile(path, 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("it has 5 bytes, more than the 4 allowed"));
}

TEST_F(FileTest, ReadWholeFileRefusesADirectory) {
  EXPECT_FALSE(ReadWholeFile(directory_, 1 << 20).ok());
}

TEST_F(FileTest, RenameReplacesTheTarget) {
  ASSERT_TRUE(File::Create(directory_ / "new")->WriteAt(0, AsBytes("2")).ok());
  ASSERT_TRUE(File::Create(directory_ / "old")->WriteAt(0, AsBytes("1")).ok());
  ASSERT_TRUE(RenameDurably(directory_ / "new", directory_ / "old").ok());
  EXPECT_EQ(*ReadWholeFile(directory_ / "old", 1), "2");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "new"));
}

TEST_F(FileTest, ThreadsWriteDisjointPartsOfOneFile) {
  constexpr int kThreads = 4;
  constexpr size_t kPartBytes = 100'000;
  File file = *File::Create(directory_ / "f");
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&file, i] {
        const ByteVector part(kPartBytes, static_cast<uint8_t>('a' + i));
        EXPECT_TRUE(file.WriteAt(i * kPartBytes, part).ok());
      });
    }
  }
  std::string expected;
  for (int i = 0; i < kThreads; ++i) {
    expected.append(kPartBytes, static_cast<char>('a' + i));
  }
  EXPECT_EQ(*ReadWholeFile(directory_ / "f", expected.size()), expected);
}

}  // namespace
}  // namespace qstore
