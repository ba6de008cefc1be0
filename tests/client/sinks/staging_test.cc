#include "client/sinks/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "client/sinks/download_journal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

void WriteTo(const Staging& staging, const std::string& file,
             const std::string& contents) {
  fs::create_directories((staging.path() / file).parent_path());
  std::ofstream(staging.path() / file) << contents;
}

absl::StatusOr<std::unique_ptr<Staging>> MakeStaging(
    const fs::path& directory, const std::vector<std::string>& files,
    const std::string& identity = "") {
  QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Staging> staging,
                          Staging::Create(directory, identity));
  QSTORE_RETURN_IF_ERROR(staging->Expect(files));
  return staging;
}

TEST(StagingTest, ANewDirectoryAppearsWhole) {
  const TemporaryDirectory root;
  const fs::path target = root.path() / "model";
  auto staging = MakeStaging(target, {"a", "sub/b"});
  ASSERT_TRUE(staging.ok()) << staging.status();
  WriteTo(**staging, "a", "1");
  WriteTo(**staging, "sub/b", "2");
  EXPECT_FALSE(fs::exists(target));
  ASSERT_TRUE((*staging)->Publish().ok());
  staging->reset();
  EXPECT_THAT(
      ReadTree(root.path()),
      UnorderedElementsAre(Pair("model/a", "1"), Pair("model/sub/b", "2")));
}

TEST(StagingTest, ATrailingSlashMeansTheSameDirectory) {
  const TemporaryDirectory root;
  auto staging = MakeStaging(root.path() / "model/", {"a"});
  ASSERT_TRUE(staging.ok()) << staging.status();
  WriteTo(**staging, "a", "1");
  ASSERT_TRUE((*staging)->Publish().ok());
  EXPECT_EQ(ReadFile(root.path() / "model/a"), "1");
}

TEST(StagingTest, MakesParentsAndTakesThemBack) {
  const TemporaryDirectory root;
  const fs::path target = root.path() / "x/y/model";
  ASSERT_TRUE(MakeStaging(target, {"a"}).ok());
  EXPECT_TRUE(fs::is_empty(root.path()));
  auto staging = MakeStaging(target, {"a"});
  WriteTo(**staging, "a", "1");
  ASSERT_TRUE((*staging)->Publish().ok());
  staging->reset();
  EXPECT_EQ(ReadFile(target / "a"), "1");
}

TEST(StagingTest, AbandonedWorkLeavesNothing) {
  const TemporaryDirectory root;
  {
    auto staging = MakeStaging(root.path() / "model", {"a"});
    ASSERT_TRUE(staging.ok());
    WriteTo(**staging, "a", "1");
    EXPECT_FALSE(fs::is_empty(root.path()));
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
}

TEST(StagingTest, AnExistingDirectoryKeepsItsOtherFiles) {
  const TemporaryDirectory root;
  root.Write("a", "old");
  root.Write("other", "kept");
  root.Write("sub/b", "old");
  {
    auto staging = MakeStaging(root.path(), {"a", "sub/b", "sub/c/d"});
    ASSERT_TRUE(staging.ok()) << staging.status();
    // On the same file system, also where the directory is a mount point.
    EXPECT_EQ((*staging)->path().parent_path(), root.path());
    WriteTo(**staging, "a", "new");
    WriteTo(**staging, "sub/b", "new");
    WriteTo(**staging, "sub/c/d", "new");
    EXPECT_EQ(ReadFile(root.path() / "a"), "old");
    ASSERT_TRUE((*staging)->Publish().ok());
  }
  EXPECT_THAT(
      ReadTree(root.path()),
      UnorderedElementsAre(Pair("a", "new"), Pair("other", "kept"),
                           Pair("sub/b", "new"), Pair("sub/c/d", "new")));
}

TEST(StagingTest, AnExistingDirectoryIsUntouchedByAbandonedWork) {
  const TemporaryDirectory root;
  root.Write("a", "old");
  {
    auto staging = MakeStaging(root.path(), {"a"});
    WriteTo(**staging, "a", "new");
  }
  EXPECT_THAT(ReadTree(root.path()), UnorderedElementsAre(Pair("a", "old")));
  EXPECT_EQ(std::distance(fs::directory_iterator(root.path()),
                          fs::directory_iterator()),
            1);
}

TEST(StagingTest, NeverReplacesADirectoryThatCameMeanwhile) {
  const TemporaryDirectory root;
  auto staging = MakeStaging(root.path() / "model", {"a"});
  WriteTo(**staging, "a", "1");
  root.Write("model/theirs", "2");
  EXPECT_EQ((*staging)->Publish().status().code(),
            absl::StatusCode::kAlreadyExists);
  staging->reset();
  EXPECT_THAT(ReadTree(root.path()),
              UnorderedElementsAre(Pair("model/theirs", "2")));
}

TEST(StagingTest, RefusesTargetsThatCannotHoldTheFiles) {
  const TemporaryDirectory root;
  root.Write("file", "1");
  root.Write("dir/a/x", "1");
  root.Write("dir/b", "1");
  const TemporaryDirectory outside;
  fs::create_directory_symlink(outside.path(), root.path() / "dir/link");
  const auto failure = [](const fs::path& directory, const std::string& file) {
    const auto staging = MakeStaging(directory, {file});
    EXPECT_EQ(staging.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(staging.status().message());
  };
  EXPECT_THAT(failure(root.path() / "file", "x"),
              HasSubstr("is not a directory"));
  EXPECT_THAT(failure(root.path() / "dir", "a"), HasSubstr("is a directory"));
  EXPECT_THAT(failure(root.path() / "dir", "b/x"), HasSubstr("dir/b"));
  // A link to a directory would lead out of the target.
  EXPECT_THAT(failure(root.path() / "dir", "link/x"), HasSubstr("dir/link"));
  EXPECT_THAT(ReadTree(outside.path()), IsEmpty());
}

TEST(StagingTest, TwoAtOnceDoNotMeet) {
  const TemporaryDirectory root;
  auto first = MakeStaging(root.path(), {"a"});
  auto second = MakeStaging(root.path(), {"a"});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE((*first)->path(), (*second)->path());
  EXPECT_TRUE(fs::exists((*first)->path()));
  WriteTo(**first, "a", "1");
  WriteTo(**second, "a", "2");
  ASSERT_TRUE((*first)->Publish().ok());
  ASSERT_TRUE((*second)->Publish().ok());
  EXPECT_EQ(ReadFile(root.path() / "a"), "2");
}

TEST(StagingTest, RemovesWhatAKilledProcessLeft) {
  const TemporaryDirectory root;
  root.Write(".qstore-partial-1-00000000/a", "left");
  root.Write(".qstore-partial-2-00000000/a", "in use");
  root.Write(".qstore-partial-note", "a file is not ours");
  const int lock =
      open((root.path() / ".qstore-partial-2-00000000").c_str(), O_RDONLY);
  ASSERT_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  { ASSERT_TRUE(MakeStaging(root.path(), {"a"}).ok()); }
  EXPECT_THAT(
      ReadTree(root.path()),
      UnorderedElementsAre(Pair(".qstore-partial-2-00000000/a", "in use"),
                           Pair(".qstore-partial-note", "a file is not ours")));
  close(lock);
}

TEST(StagingTest, TakesOverWhatWasKeptOfTheSame) {
  const TemporaryDirectory root;
  const fs::path target = root.path() / "model";
  fs::path kept;
  for (const bool keep : {true, false}) {
    auto staging = MakeStaging(target, {"a"}, "the same");
    ASSERT_TRUE(staging.ok()) << staging.status();
    EXPECT_EQ((*staging)->taken_over(), !keep);
    if (keep) kept = (*staging)->path();
    EXPECT_EQ((*staging)->path(), kept);
    EXPECT_EQ(fs::exists(kept / "a"), !keep);
    WriteTo(**staging, "a", "1");
    const DownloadJournal journal(kept, "the same");
    (*staging)->set_keep(keep);
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
}

// A directory of the right name and journal may have come from anywhere.
TEST(StagingTest, PublishesNothingThatWasPlanted) {
  for (const bool exists : {false, true}) {
    const TemporaryDirectory root;
    const TemporaryDirectory outside;
    outside.Write("x", "precious");
    const fs::path target = root.path() / "model";
    const std::string planted =
        exists ? "model/.qstore-partial-1/" : ".model.qstore-partial-1/";
    root.Write(planted + std::string(kJournalName), "the same\n0 0 1\n");
    root.Write(planted + "evil.py", "x");
    root.Write(planted + "more/evil.py", "x");
    fs::create_symlink(outside.path(), root.path() / planted / "sub");
    fs::create_hard_link(outside.path() / "x", root.path() / planted / "a");
    auto staging = MakeStaging(target, {"a", "sub/x"}, "the same");
    ASSERT_TRUE(staging.ok()) << staging.status();
    EXPECT_TRUE((*staging)->taken_over());
    WriteTo(**staging, "a", "1");
    WriteTo(**staging, "sub/x", "2");
    WriteTo(**staging, "late.py", "x");
    const absl::Status published = (*staging)->Publish().status();
    ASSERT_TRUE(published.ok()) << published;
    staging->reset();
    EXPECT_THAT(
        ReadTree(root.path()),
        UnorderedElementsAre(Pair("model/a", "1"), Pair("model/sub/x", "2")));
    EXPECT_EQ(ReadFile(outside.path() / "x"), "precious");
  }
}

TEST(StagingTest, WaitsForNoPipe) {
  const TemporaryDirectory root;
  root.Write("model/.qstore-partial-1/a", "1");
  ASSERT_EQ(mkfifo((root.path() / "model/.qstore-partial-1" /
                    std::string(kJournalName))
                       .c_str(),
                   0600),
            0);
  auto staging = MakeStaging(root.path() / "model", {"a"}, "the same");
  EXPECT_FALSE((*staging)->taken_over());
}

TEST(StagingTest, PublishesNoLink) {
  const TemporaryDirectory root;
  root.Write("other", "1");
  auto staging = MakeStaging(root.path() / "model", {"a"});
  fs::create_symlink(root.path() / "other", (*staging)->path() / "a");
  EXPECT_EQ((*staging)->Publish().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(fs::exists(root.path() / "model"));
}

TEST(StagingTest, RemovesWhatWasKeptOfAnother) {
  const TemporaryDirectory root;
  const fs::path target = root.path() / "model";
  for (const char* next : {"another", ""}) {
    fs::path kept;
    {
      auto staging = MakeStaging(target, {"a"}, "one");
      kept = (*staging)->path();
      const DownloadJournal journal(kept, "one");
      (*staging)->set_keep(true);
    }
    EXPECT_TRUE(fs::exists(kept));
    auto staging = MakeStaging(target, {"a"}, next);
    EXPECT_FALSE((*staging)->taken_over());
    EXPECT_FALSE(fs::exists(kept));
  }
}

TEST(StagingTest, DoesNotTakeOverWhatIsInUse) {
  const TemporaryDirectory root;
  auto first = MakeStaging(root.path(), {"a"}, "the same");
  const DownloadJournal journal((*first)->path(), "the same");
  // Another process is at it.
  EXPECT_EQ(MakeStaging(root.path(), {"a"}, "the same").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists((*first)->path()));
  auto other = MakeStaging(root.path(), {"a"}, "another");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE((*other)->taken_over());
  EXPECT_NE((*first)->path(), (*other)->path());
  EXPECT_FALSE((*other)->HasRival("another"));
  EXPECT_TRUE((*other)->HasRival("the same"));
}

}  // namespace
}  // namespace qstore::client
