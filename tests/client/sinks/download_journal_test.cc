#include "client/sinks/download_journal.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DownloadJournalTest, AnotherRunReadsIt) {
  const TemporaryDirectory root;
  {
    DownloadJournal journal(root.path(), "one");
    EXPECT_TRUE(IsJournalOf(root.path(), "one"));
    EXPECT_FALSE(IsJournalOf(root.path(), "on"));
    for (const uint64_t object : {0, 1, 2, 5}) journal.Add(object, 0, 1);
    journal.Add(7, 1, 4);
    journal.Add(7, 3, 4);
    EXPECT_EQ(journal.chunk_count(), 6u);
  }
  DownloadJournal journal(root.path(), "one");
  EXPECT_EQ(journal.chunk_count(), 0u);  // of this run
  EXPECT_THAT(journal.Chunks(7, 4), ElementsAre(1, 3));
  EXPECT_THAT(journal.Chunks(7, 5), IsEmpty());
  journal.Forget(5, 0, 1);
  v1::Held request;
  const model::HeldChunks held = journal.NameIn(&request);
  ASSERT_EQ(request.objects_size(), 1);
  EXPECT_EQ(request.objects(0).first(), 0u);
  EXPECT_EQ(request.objects(0).end(), 3u);
  ASSERT_EQ(request.chunks_size(), 1);
  EXPECT_EQ(request.chunks(0).object_index(), 7u);
  EXPECT_THAT(request.chunks(0).chunk_indices(), ElementsAre(1, 3));
  // The plan is made of what is named, no more and no less.
  for (uint64_t object = 0; object < 10; ++object) {
    for (uint32_t chunk = 0; chunk < 5; ++chunk) {
      const bool whole = object < 3;
      const bool part = object == 7 && (chunk == 1 || chunk == 3);
      EXPECT_EQ(held.Has(object, chunk), whole || part)
          << object << " " << chunk;
    }
  }
  journal.Remove();
  EXPECT_FALSE(IsJournalOf(root.path(), "one"));
}

TEST(DownloadJournalTest, CanBePutBack) {
  const TemporaryDirectory root;
  {
    DownloadJournal journal(root.path(), "one");
    journal.Add(7, 1, 4);
    journal.Add(7, 3, 4);
    journal.Forget(7, 1, 4);
    journal.Remove();
    EXPECT_FALSE(IsJournalOf(root.path(), "one"));
    journal.Restore();
  }
  EXPECT_TRUE(IsJournalOf(root.path(), "one"));
  const DownloadJournal journal(root.path(), "one");
  EXPECT_THAT(journal.Chunks(7, 4), ElementsAre(3));
}

// A journal that says "one chunk" of an object with two, of which the first is
// there: when the second turns out to be missing, the object is not whole.
TEST(DownloadJournalTest, AnObjectWithAnotherNumberOfChunksIsForgottenWhole) {
  const TemporaryDirectory root;
  DownloadJournal journal(root.path(), "one");
  journal.Add(5, 0, 1);
  journal.Forget(5, 1, 2);
  v1::Held request;
  EXPECT_FALSE(journal.NameIn(&request).Has(5, 1));
  EXPECT_EQ(request.objects_size(), 0);
  EXPECT_THAT(journal.Chunks(5, 1), IsEmpty());
}

TEST(DownloadJournalTest, AnotherDownloadBeginsAnew) {
  const TemporaryDirectory root;
  { DownloadJournal(root.path(), "one").Add(0, 0, 1); }
  DownloadJournal journal(root.path(), "two");
  EXPECT_THAT(journal.Chunks(0, 1), IsEmpty());
  EXPECT_FALSE(IsJournalOf(root.path(), "one"));
}

TEST(DownloadJournalTest, WritesIntoNoOtherFile) {
  const TemporaryDirectory root;
  root.Write("outside", "one\n0 0 1\n");
  std::filesystem::create_symlink(root.path() / "outside",
                                  root.path() / kJournalName);
  EXPECT_FALSE(IsJournalOf(root.path(), "one"));
  DownloadJournal(root.path(), "one").Add(7, 0, 1);
  EXPECT_EQ(ReadFile(root.path() / "outside"), "one\n0 0 1\n");
}

TEST(DownloadJournalTest, SkipsWhatMakesNoSense) {
  const TemporaryDirectory root;
  root.Write(std::string(kJournalName),
             "one\n0 0 1\nnonsense\n1 -1 4\n2 4 4\n3 0 2000000000\n"
             "4 0 2\n4 1 3\n99999999999999999999 0 1\n5 0");
  DownloadJournal journal(root.path(), "one");
  v1::Held request;
  const model::HeldChunks held = journal.NameIn(&request);
  ASSERT_EQ(request.objects_size(), 1);
  EXPECT_EQ(request.objects(0).end(), 1u);
  ASSERT_EQ(request.chunks_size(), 1);
  EXPECT_EQ(request.chunks(0).object_index(), 4u);
  EXPECT_TRUE(held.Has(0, 0));
  EXPECT_FALSE(held.Has(4, 0));
  EXPECT_TRUE(held.Has(4, 1));
  EXPECT_FALSE(held.Has(5, 0));
  EXPECT_THAT(journal.Chunks(4, 3), ElementsAre(1));
  // What is added is not lost after a line that was cut off.
  journal.Add(6, 0, 1);
  const DownloadJournal again(root.path(), "one");
  EXPECT_THAT(again.Chunks(6, 1), ElementsAre(0));
}

TEST(DownloadJournalTest, NamesNoMoreThanARequestTakes) {
  const TemporaryDirectory root;
  DownloadJournal journal;
  for (uint64_t object = 0; object < 40'000; ++object) {
    journal.Add(2 * object, 0, 2);
  }
  v1::Held request;
  const model::HeldChunks held = journal.NameIn(&request);
  EXPECT_EQ(request.chunks_size(), 16'384);
  EXPECT_LT(request.ByteSizeLong(), 1u << 20);
  // What is not named is not expected to be left out either.
  EXPECT_THAT(journal.Chunks(0, 2), ElementsAre(0));
  EXPECT_THAT(journal.Chunks(2 * 39'999, 2), IsEmpty());
  EXPECT_TRUE(held.Has(2 * 16'383, 0));
  EXPECT_FALSE(held.Has(2 * 16'384, 0));
}

}  // namespace
}  // namespace qstore::client
