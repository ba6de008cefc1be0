// Downloads into a directory that has something already.
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <thread>
#include <utility>

#include "client/sinks/download_journal.h"
#include "client/sinks/file_origin.h"
#include "client/sinks/staging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/reserved_names.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

class PresentTest : public DownloadTest {
 protected:
  fs::path out() const { return directory_.path() / "out"; }

  // Downloads, expecting the whole of it to be there afterwards.
  DownloadResult FetchWell(const std::string& precision) {
    const auto result = Fetch(precision);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : DownloadResult();
  }

  // Gives the file other bytes, and its time back.
  void Corrupt(const std::string& file) {
    const fs::file_time_type time = fs::last_write_time(out() / file);
    std::string bytes = ReadFile(out() / file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    directory_.Write("out/" + file, bytes);
    fs::last_write_time(out() / file, time);
  }
};

TEST_F(PresentTest, NothingIsFetchedTwice) {
  server_.Serve(MakeModel());
  for (const char* format : {"compressed-tensors", "pack-quantized"}) {
    format_ = format;
    for (const char* precision : {"original", "int8"}) {
      SCOPED_TRACE(std::string(format) + " " + precision);
      fs::remove_all(out());
      const DownloadResult first = FetchWell(precision);
      EXPECT_FALSE(first.up_to_date);
      const auto tree = ReadTree(out());
      struct stat before = {};
      stat((out() / "model-1.safetensors").c_str(), &before);
      const DownloadResult second = FetchWell(precision);
      EXPECT_TRUE(second.up_to_date);
      EXPECT_EQ(second.file_count, first.file_count);
      EXPECT_EQ(second.file_bytes, first.file_bytes);
      EXPECT_EQ(second.format, first.format);
      // No byte of a weight.
      EXPECT_THAT(second.transfer.received.by_layer(), IsEmpty());
      EXPECT_EQ(ReadTree(out()), tree);
      struct stat after = {};
      stat((out() / "model-1.safetensors").c_str(), &after);
      EXPECT_EQ(after.st_ino, before.st_ino);
      EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    }
  }
}

TEST_F(PresentTest, WhatIsNotAsItShouldBeIsFetched) {
  server_.Serve(MakeModel());
  for (const char* precision : {"original", "int8"}) {
    SCOPED_TRACE(precision);
    fs::remove_all(out());
    FetchWell(precision);
    const auto tree = ReadTree(out());
    for (const auto& [file, contents] : tree) {
      SCOPED_TRACE(file);
      if (!contents.empty()) {
        Corrupt(file);
        EXPECT_FALSE(FetchWell(precision).up_to_date);
        EXPECT_EQ(ReadTree(out()), tree);
      }
      fs::remove(out() / file);
      EXPECT_FALSE(FetchWell(precision).up_to_date);
      EXPECT_EQ(ReadTree(out()), tree);
      fs::remove(out() / file);
      // What would be waited for.
      ASSERT_EQ(mkfifo((out() / file).c_str(), 0600), 0);
      EXPECT_FALSE(FetchWell(precision).up_to_date);
      EXPECT_EQ(ReadTree(out()), tree);
    }
    EXPECT_TRUE(FetchWell(precision).up_to_date);
  }
}

TEST_F(PresentTest, AnotherPrecisionIsNotTheSame) {
  server_.Serve(MakeModel());
  FetchWell("original");
  EXPECT_FALSE(FetchWell("int8").up_to_date);
  EXPECT_TRUE(FetchWell("int8").up_to_date);
  EXPECT_FALSE(FetchWell("original").up_to_date);
}

TEST_F(PresentTest, SomeFilesCanBeUpToDateToo) {
  server_.Serve(MakeModel());
  selection_.files = {"notes.txt"};
  FetchWell("original");
  EXPECT_TRUE(FetchWell("original").up_to_date);
  EXPECT_THAT(ReadTree(out()), ElementsAre(Key("notes.txt")));
}

// One file, then shards under an index: the old one would be loaded first.
TEST_F(PresentTest, FilesOfAnotherRevisionGo) {
  FakeModel old;
  old.AddFile("config.json", "{}");
  old.AddFile("old/notes/a.txt", "notes");
  old.AddSafetensors("model.safetensors",
                     {MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true)});
  server_.Serve(old);
  FetchWell("original");
  directory_.Write("out/mine.txt", "mine");
  const FakeModel now = MakeModel();
  server_.Serve(now);
  FetchWell("original");
  auto expected = now.contents();
  expected["mine.txt"] = "mine";
  EXPECT_EQ(ReadTree(out()), expected);
  EXPECT_FALSE(fs::exists(out() / "old"));
  EXPECT_THAT(events_.notes(),
              ElementsAre(HasSubstr("removed \"model.safetensors\", "
                                    "\"old/notes/a.txt\" from")));
}

TEST_F(PresentTest, WhatSomebodyElseWroteStaysWithANote) {
  server_.Serve(MakeModel());
  directory_.Write("out/model.safetensors", "another's");
  directory_.Write("out/elsewhere/model.safetensors", "another's");
  FetchWell("original");
  EXPECT_EQ(ReadFile(out() / "model.safetensors"), "another's");
  EXPECT_THAT(
      events_.notes(),
      ElementsAre(HasSubstr("also holds \"model.safetensors\", which")));
  // Also when everything is there.
  EXPECT_TRUE(FetchWell("original").up_to_date);
  EXPECT_EQ(events_.notes().size(), 2u);
}

TEST_F(PresentTest, AFileThatWasChangedIsSomebodyElses) {
  FakeModel old;
  old.AddFile("pytorch_model.bin", "weights");
  old.AddFile("README.md", "text");
  server_.Serve(old);
  FetchWell("original");
  directory_.Write("out/pytorch_model.bin", "changed");
  directory_.Write("out/README.md", "changed");
  server_.Serve(MakeModel());
  FetchWell("original");
  EXPECT_EQ(ReadFile(out() / "pytorch_model.bin"), "changed");
  EXPECT_EQ(ReadFile(out() / "README.md"), "changed");
  EXPECT_THAT(
      events_.notes(),
      ElementsAre(HasSubstr("also holds \"pytorch_model.bin\", which")));
}

// An adapter beside its base, say.
TEST_F(PresentTest, FilesOfAnotherModelStay) {
  directory_.Write("out/adapter_model.safetensors", "weights");
  RememberOrigin(out(), "adapter_model.safetensors", "org/adapter@0123");
  ASSERT_EQ(UnchangedOrigin(out(), "adapter_model.safetensors"),
            "org/adapter@0123");
  server_.Serve(MakeModel());
  FetchWell("original");
  EXPECT_TRUE(fs::exists(out() / "adapter_model.safetensors"));
}

// An older revision in a directory of its own, below.
TEST_F(PresentTest, OtherDownloadsBelowStay) {
  FakeModel old;
  old.AddFile("model.bin", "weights");
  server_.Serve(old);
  ASSERT_TRUE(Fetch("original", "out/old").ok());
  server_.Serve(MakeModel());
  FetchWell("original");
  EXPECT_TRUE(fs::exists(out() / "old/model.bin"));
}

TEST_F(PresentTest, APartTakesNothingAway) {
  FakeModel old;
  old.AddFile("model.bin", "weights");
  server_.Serve(old);
  FetchWell("original");
  server_.Serve(MakeModel());
  selection_.files = {"notes.txt"};
  FetchWell("original");
  EXPECT_THAT(ReadTree(out()), ElementsAre(Key("model.bin"), Key("notes.txt")));
  EXPECT_THAT(events_.notes(), IsEmpty());
}

// Several pods of one node that begin at the same time.
TEST_F(PresentTest, DownloadsToOnePlaceAtOnce) {
  server_.Serve(MakeModel());
  for (const bool exists : {false, true}) {
    fs::remove_all(out());
    if (exists) fs::create_directory(out());
    std::vector<absl::Status> results(6);
    std::vector<std::thread> threads;
    threads.reserve(results.size());
    for (absl::Status& result : results) {
      threads.emplace_back([&] { result = Fetch("int8").status(); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(results, ::testing::Each(absl::OkStatus()));
    EXPECT_TRUE(FetchWell("int8").up_to_date);
    EXPECT_THAT(ReadTree(directory_.path()),
                Not(Contains(Key(HasSubstr("partial")))));
  }
}

// Does something in the middle of a download.
class Meanwhile final : public Events {
 public:
  explicit Meanwhile(std::function<void()> action)
      : action_(std::move(action)) {}
  void Begin(const std::string& action, uint64_t /*total_bytes*/) override {
    if (action.starts_with("downloading") && !std::exchange(done_, true)) {
      action_();
    }
  }

 private:
  const std::function<void()> action_;
  bool done_ = false;
};

// Of a client that was killed between the last file and the end, say.
TEST_F(PresentTest, WhatIsAbandonedGoesWhenAllIsThere) {
  server_.Serve(MakeModel());
  FetchWell("original");
  directory_.Write("out/.qstore-partial-1-2/model.safetensors", "half");
  directory_.Write(".out.qstore-partial-1-2/model.safetensors", "half");
  EXPECT_TRUE(FetchWell("original").up_to_date);
  EXPECT_THAT(ReadTree(directory_.path()),
              Not(Contains(Key(HasSubstr("partial")))));
}

// By another machine on a file system without locks, say.
TEST_F(PresentTest, AnotherMayHaveMadeTheDirectoryMeanwhile) {
  server_.Serve(MakeModel());
  FetchWell("original");
  const auto fetch = [&](const std::string& name, Meanwhile* meanwhile) {
    DirectorySink sink(directory_.path() / name);
    Session session({.retry_seconds = 0}, server_.Connect());
    return session.Download(
        {.model = "org/model", .tag = "latest", .revision_prefix = ""}, {},
        &sink, {.events = meanwhile});
  };
  // With the same in it all is well.
  Meanwhile same([&] {
    fs::copy(out(), directory_.path() / "same", fs::copy_options::recursive);
  });
  const auto result = fetch("same", &same);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "same"), ReadTree(out()));
  // With anything else it is not touched.
  Meanwhile other([&] { directory_.Write("other/config.json", "theirs"); });
  EXPECT_EQ(fetch("other", &other).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(ReadTree(directory_.path() / "other"),
              ElementsAre(::testing::Pair("config.json", "theirs")));
  EXPECT_THAT(ReadTree(directory_.path()),
              Not(Contains(Key(HasSubstr("partial")))));
}

TEST_F(PresentTest, WaitsForAnotherThatWritesTheSame) {
  server_.Serve(MakeModel());
  FetchWell("original");
  const std::string identity =
      "qstore download 3 of org/model@" + std::string(64, 'a') + " in original";
  const fs::path other = directory_.path() / "other";
  auto staging = Staging::Create(other, identity);
  ASSERT_TRUE(staging.ok()) << staging.status();
  DownloadJournal journal((*staging)->path(), identity);
  absl::StatusOr<DownloadResult> result;
  std::thread waiting([&] { result = Fetch("original", "other"); });
  while (events_.notes().empty()) std::this_thread::yield();
  EXPECT_THAT(events_.notes(), ElementsAre(HasSubstr("waiting until")));
  fs::copy(out(), other, fs::copy_options::recursive);
  staging->reset();
  waiting.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->up_to_date);
}

TEST_F(PresentTest, StopsWaitingWhenItIsInterrupted) {
  server_.Serve(MakeModel());
  const std::string identity =
      "qstore download 3 of org/model@" + std::string(64, 'a') + " in original";
  auto staging = Staging::Create(out(), identity);
  DownloadJournal journal((*staging)->path(), identity);
  absl::StatusOr<DownloadResult> result;
  std::thread waiting([&] { result = Fetch("original"); });
  while (events_.notes().empty()) std::this_thread::yield();
  cancellation_.Cancel();
  waiting.join();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace qstore::client
