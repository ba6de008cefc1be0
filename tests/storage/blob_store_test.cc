// What every blob store must do.
#include "storage/blobs/blob_store.h"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "storage/records/keys.h"
#include "tests/storage/families.h"
#include "tests/storage/store_makers.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Maker>
class BlobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    blobs_ = nullptr;
    blobs_ = maker_.Open().blobs;
    ASSERT_NE(blobs_, nullptr);
  }

  std::vector<std::string> Keys(Family family, const std::string& begin = "",
                                const std::string& end = "\xff") {
    std::vector<std::string> keys;
    EXPECT_TRUE(blobs_
                    ->ListKeys(family, begin, end,
                               [&keys](std::string_view key) {
                                 keys.emplace_back(key);
                                 return true;
                               })
                    .ok());
    return keys;
  }

  void Ingest(Family family, const std::string& key, size_t size) {
    auto writer = blobs_->NewBulkWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Put(family, key, PatternBytes(size, 1)).ok());
    ASSERT_TRUE((*writer)->Ingest().ok());
  }

  // Ingests `count` values of `size` bytes as chunks of the object.
  void IngestObject(uint64_t id, uint32_t count, size_t size,
                    Family family = kPlainFamily) {
    auto writer = blobs_->NewBulkWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (uint32_t chunk = 0; chunk < count; ++chunk) {
      const absl::Status status =
          (*writer)->Put(family, DataKey{id, chunk, 0}.Encode(),
                         PatternBytes(size, id * 1000 + chunk));
      ASSERT_TRUE(status.ok()) << status;
    }
    const absl::Status status = (*writer)->Ingest();
    ASSERT_TRUE(status.ok()) << status;
  }

  bool HasChunk(uint64_t id, uint32_t chunk, size_t size,
                Family family = kPlainFamily) {
    const auto value = blobs_->Get(family, DataKey{id, chunk, 0}.Encode());
    if (!value.ok()) return false;
    const ByteVector expected = PatternBytes(size, id * 1000 + chunk);
    return std::equal(value->bytes().begin(), value->bytes().end(),
                      expected.begin(), expected.end());
  }

  Maker maker_;
  std::shared_ptr<BlobStore> blobs_;
};
TYPED_TEST_SUITE(BlobStoreTest, EveryMaker);

TYPED_TEST(BlobStoreTest, AbsentKeyIsNotFoundAndNamed) {
  const absl::Status status =
      this->blobs_->Get(kInt8Family, DataKey{7, 2, 1}.Encode()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("int8: object 7, chunk 2, subgroup 1"));
  EXPECT_TRUE(absl::IsNotFound(this->blobs_->LastKey(kInt8Family).status()));
}

TYPED_TEST(BlobStoreTest, BulkValuesAreInvisibleUntilIngest) {
  auto writer = this->blobs_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  const ByteVector value = PatternBytes(100, 1);
  ASSERT_TRUE((*writer)->Put(kInt8Family, "a", value).ok());
  ASSERT_TRUE((*writer)->Put(kResidualFamily, "a", value).ok());
  ASSERT_TRUE((*writer)->Put(kInt8Family, "b", value).ok());
  EXPECT_EQ((*writer)->size_bytes(), 303u);
  EXPECT_THAT(this->Keys(kInt8Family), IsEmpty());
  ASSERT_TRUE((*writer)->Ingest().ok());
  EXPECT_THAT(this->Keys(kInt8Family), ElementsAre("a", "b"));
  EXPECT_THAT(this->Keys(kResidualFamily), ElementsAre("a"));
  EXPECT_FALSE((*writer)->Put(kInt8Family, "c", value).ok());
  EXPECT_FALSE((*writer)->Ingest().ok());
  this->Reopen();
  EXPECT_THAT(this->Keys(kInt8Family), ElementsAre("a", "b"));
}

TYPED_TEST(BlobStoreTest, BulkKeysMustAscend) {
  auto writer = this->blobs_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  const ByteVector value = PatternBytes(10, 1);
  ASSERT_TRUE((*writer)->Put(kPlainFamily, "b", value).ok());
  EXPECT_FALSE((*writer)->Put(kPlainFamily, "a", value).ok());
  EXPECT_FALSE((*writer)->Put(kPlainFamily, "b", value).ok());
  EXPECT_TRUE((*writer)->Put(kPlainFamily, "c", value).ok());
  ASSERT_TRUE((*writer)->Ingest().ok());
  EXPECT_THAT(this->Keys(kPlainFamily), ElementsAre("b", "c"));
}

TYPED_TEST(BlobStoreTest, AbandonedOrEmptyBulkWriterLeavesNothing) {
  const uint64_t before_bytes = this->blobs_->DiskBytes();
  {
    auto writer = this->blobs_->NewBulkWriter();
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(
        (*writer)->Put(kPlainFamily, "a", PatternBytes(4 << 20, 1)).ok());
  }
  EXPECT_THAT(this->Keys(kPlainFamily), IsEmpty());
  EXPECT_LT(this->blobs_->DiskBytes(), before_bytes + (1 << 20));
  auto empty = this->blobs_->NewBulkWriter();
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE((*empty)->Ingest().ok());
}

TYPED_TEST(BlobStoreTest, PinnedValueSurvivesDeletion) {
  this->IngestObject(1, 2, 1 << 20);
  absl::StatusOr<PinnedValue> pinned =
      this->blobs_->Get(kPlainFamily, DataKey{1, 1, 0}.Encode());
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  ASSERT_TRUE(
      this->blobs_->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(2))
          .ok());
  EXPECT_FALSE(this->HasChunk(1, 1, 1 << 20));
  const ByteVector expected = PatternBytes(1 << 20, 1001);
  EXPECT_TRUE(std::equal(pinned->bytes().begin(), pinned->bytes().end(),
                         expected.begin(), expected.end()));
}

TYPED_TEST(BlobStoreTest, DeleteRangeGivesSpaceBackAndSparesNeighbours) {
  this->IngestObject(1, 2, 1 << 20);
  const uint64_t small_bytes = this->blobs_->DiskBytes();
  this->IngestObject(2, 8, 1 << 20);
  this->IngestObject(3, 2, 1 << 20);
  ASSERT_TRUE(
      this->blobs_->DeleteRange(kPlainFamily, DataKeyBound(2), DataKeyBound(3))
          .ok());
  EXPECT_TRUE(this->HasChunk(1, 1, 1 << 20));
  EXPECT_FALSE(this->HasChunk(2, 0, 1 << 20));
  EXPECT_TRUE(this->HasChunk(3, 1, 1 << 20));
  EXPECT_LT(this->blobs_->DiskBytes(), small_bytes + (5 << 19));
  this->Reopen();
  EXPECT_TRUE(this->HasChunk(1, 1, 1 << 20));
  EXPECT_FALSE(this->HasChunk(2, 7, 1 << 20));
  EXPECT_TRUE(this->HasChunk(3, 0, 1 << 20));
}

// Ids inside one table file: what stays must be rewritten.
TYPED_TEST(BlobStoreTest, DeleteRangeInsideOneIngestGivesSpaceBack) {
  auto writer = this->blobs_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  for (uint64_t id = 1; id <= 8; ++id) {
    ASSERT_TRUE((*writer)
                    ->Put(kPlainFamily, DataKey{id, 0, 0}.Encode(),
                          PatternBytes(1 << 20, id * 1000))
                    .ok());
  }
  ASSERT_TRUE((*writer)->Ingest().ok());
  ASSERT_TRUE(
      this->blobs_->DeleteRange(kPlainFamily, DataKeyBound(2), DataKeyBound(8))
          .ok());
  for (uint64_t id = 1; id <= 8; ++id) {
    EXPECT_EQ(this->HasChunk(id, 0, 1 << 20), id == 1 || id == 8) << id;
  }
  EXPECT_LT(this->blobs_->DiskBytes(), 3u << 20);
}

TYPED_TEST(BlobStoreTest, DeleteRangeOfNothingIsFine) {
  EXPECT_TRUE(this->blobs_->DeleteRange(kInt8Family, "a", "b").ok());
  EXPECT_TRUE(this->blobs_->DeleteRange(kInt8Family, "b", "a").ok());
  this->Ingest(kInt8Family, "c", 10);
  EXPECT_TRUE(this->blobs_->DeleteRange(kInt8Family, "a", "c").ok());
  EXPECT_THAT(this->Keys(kInt8Family), ElementsAre("c"));
  EXPECT_TRUE(this->blobs_->DeleteRange(kInt8Family, "c", "d").ok());
  EXPECT_THAT(this->Keys(kInt8Family), IsEmpty());
}

TYPED_TEST(BlobStoreTest, KeyRangesCoverWhatWasIngested) {
  EXPECT_THAT(*this->blobs_->KeyRanges(kPlainFamily), IsEmpty());
  this->IngestObject(5, 3, 1000);
  this->IngestObject(9, 1, 1000);
  const auto ranges = this->blobs_->KeyRanges(kPlainFamily);
  ASSERT_TRUE(ranges.ok());
  for (const DataKey& key :
       {DataKey{5, 0, 0}, DataKey{5, 2, 0}, DataKey{9, 0, 0}}) {
    const std::string encoded = key.Encode();
    EXPECT_TRUE(
        std::any_of(ranges->begin(), ranges->end(), [&](const KeyRange& range) {
          return range.first <= encoded && encoded <= range.last;
        }));
  }
  EXPECT_THAT(*this->blobs_->KeyRanges(kInt8Family), IsEmpty());
}

TYPED_TEST(BlobStoreTest, ReadersAndWritersTogether) {
  constexpr uint64_t kWriters = 3;
  constexpr uint64_t kObjects = 8;
  std::array<std::atomic<bool>, 1 + kWriters* kObjects> written = {};
  std::atomic<uint64_t> running = kWriters;
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (uint64_t w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (uint64_t i = 0; i < kObjects; ++i) {
        const uint64_t id = 1 + i * kWriters + w;
        this->IngestObject(id, 2, 50'000);
        written[id] = true;
        if (i % 2 == 1) {
          EXPECT_TRUE(this->blobs_
                          ->DeleteRange(kPlainFamily, DataKeyBound(id),
                                        DataKeyBound(id + 1))
                          .ok());
        }
      }
      --running;
    });
  }
  while (running > 0) {
    for (uint64_t id = 1; id <= kWriters * kObjects; ++id) {
      if (!written[id]) continue;
      const bool kept = ((id - 1) / kWriters) % 2 == 0;
      if (kept) {
        EXPECT_TRUE(this->HasChunk(id, 1, 50'000)) << id;
      }
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(this->Keys(kPlainFamily).size(), kWriters * kObjects);
}

// Each key of a batch is answered once, also those that are not there.
TYPED_TEST(BlobStoreTest, BatchIsReadWithOneAnswerForEachKey) {
  this->IngestObject(1, 6, 1 << 20);
  this->IngestObject(2, 1, 1000, kInt8Family);
  std::vector<BlobKey> keys;
  for (const uint32_t chunk : {4, 0, 9, 5, 0}) {
    keys.push_back({kPlainFamily, DataKey{1, chunk, 0}.Encode()});
  }
  keys.push_back({kInt8Family, DataKey{2, 0, 0}.Encode()});
  keys.push_back({kResidualFamily, DataKey{2, 0, 0}.Encode()});
  // Twice: what was read lately may come from elsewhere.
  for (int round = 0; round < 2; ++round) {
    absl::Mutex mutex;
    std::map<size_t, absl::StatusOr<PinnedValue>> answers;
    this->blobs_->Read(
        keys, [&](size_t index, absl::StatusOr<PinnedValue> value) {
          const absl::MutexLock lock(&mutex);
          EXPECT_TRUE(answers.emplace(index, std::move(value)).second);
        });
    const absl::MutexLock lock(&mutex);
    const auto all = [&] { return answers.size() == keys.size(); };
    mutex.Await(absl::Condition(&all));
    for (const size_t absent : {2, 6}) {
      EXPECT_TRUE(absl::IsNotFound(answers.at(absent).status()));
    }
    const std::array<uint64_t, 6> seeds = {1004, 1000, 0, 1005, 1000, 2000};
    for (const size_t found : {0, 1, 3, 4, 5}) {
      ASSERT_TRUE(answers.at(found).ok()) << answers.at(found).status();
      const ByteVector expected =
          PatternBytes(found == 5 ? 1000 : 1 << 20, seeds.at(found));
      EXPECT_EQ(AsStringView(answers.at(found)->bytes()),
                AsStringView(expected));
    }
  }
  this->blobs_->Read({}, [](size_t, const absl::StatusOr<PinnedValue>&) {
    ADD_FAILURE() << "nothing was asked for";
  });
}

TYPED_TEST(BlobStoreTest, ListIsHalfOpenAscendingAndStops) {
  for (const char* key : {"c", "a", "d", "b"}) {
    this->Ingest(kPlainFamily, key, 10);
  }
  EXPECT_THAT(this->Keys(kPlainFamily, "b", "d"), ElementsAre("b", "c"));
  EXPECT_THAT(this->Keys(kPlainFamily, "d", "b"), IsEmpty());
  EXPECT_THAT(this->Keys(kInt8Family), IsEmpty());
  int visited = 0;
  ASSERT_TRUE(this->blobs_
                  ->ListKeys(kPlainFamily, "", "z",
                             [&](std::string_view) { return ++visited < 2; })
                  .ok());
  EXPECT_EQ(visited, 2);
  EXPECT_EQ(*this->blobs_->LastKey(kPlainFamily), "d");
}

// What was read before it was deleted is not there afterwards.
TYPED_TEST(BlobStoreTest, DeletedValueIsGoneAlsoWhenItWasRead) {
  this->IngestObject(1, 2, 1000);
  this->IngestObject(2, 1, 1000);
  EXPECT_TRUE(this->HasChunk(1, 0, 1000));
  EXPECT_TRUE(this->HasChunk(2, 0, 1000));
  ASSERT_TRUE(
      this->blobs_->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(2))
          .ok());
  EXPECT_TRUE(absl::IsNotFound(
      this->blobs_->Get(kPlainFamily, DataKey{1, 0, 0}.Encode()).status()));
  EXPECT_TRUE(this->HasChunk(2, 0, 1000));
}

}  // namespace
}  // namespace qstore::storage
