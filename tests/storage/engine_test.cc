// What every engine must do.
#include "storage/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "storage/records/keys.h"
#include "tests/storage/engine_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Maker>
class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = maker_.Open();
    ASSERT_NE(engine_, nullptr);
  }

  void Reopen() {
    engine_ = nullptr;
    engine_ = maker_.Open();
    ASSERT_NE(engine_, nullptr);
  }

  std::vector<std::string> Keys(Family family, const std::string& begin = "",
                                const std::string& end = "\xff") {
    std::vector<std::string> keys;
    EXPECT_TRUE(engine_
                    ->Scan(family, begin, end,
                           [&keys](std::string_view key, ByteView) {
                             keys.emplace_back(key);
                             return true;
                           })
                    .ok());
    return keys;
  }

  absl::Status Put(Family family, const std::string& key,
                   const std::string& value) {
    WriteBatch batch;
    batch.Put(family, key, value);
    return engine_->Commit(batch);
  }

  std::string Get(Family family, std::string_view key) {
    const absl::StatusOr<PinnedValue> value = engine_->Get(family, key);
    return value.ok() ? std::string(AsStringView(value->bytes()))
                      : value.status().ToString();
  }

  // Ingests `count` values of `size` bytes as chunks of the object.
  void IngestObject(uint64_t id, uint32_t count, size_t size,
                    Family family = Family::kPlain) {
    auto writer = engine_->NewBulkWriter();
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
                Family family = Family::kPlain) {
    const auto value = engine_->Get(family, DataKey{id, chunk, 0}.Encode());
    if (!value.ok()) return false;
    const ByteVector expected = PatternBytes(size, id * 1000 + chunk);
    return std::equal(value->bytes().begin(), value->bytes().end(),
                      expected.begin(), expected.end());
  }

  Maker maker_;
  std::unique_ptr<Engine> engine_;
};

TYPED_TEST_SUITE(EngineTest, Makers);

TYPED_TEST(EngineTest, AbsentKeyIsNotFoundAndNamed) {
  const absl::Status status =
      this->engine_->Get(Family::kInt8, DataKey{7, 2, 1}.Encode()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("int8: object 7, chunk 2, subgroup 1"));
  EXPECT_TRUE(absl::IsNotFound(this->engine_->LastKey(Family::kInt8).status()));
}

TYPED_TEST(EngineTest, CommitIsReadBackFromEachFamilyApart) {
  WriteBatch batch;
  batch.Put(Family::kManifest, "k", "manifest");
  batch.Put(Family::kInt8, "k", "int8");
  batch.Put(Family::kResidual, "k", std::string("r\0x", 3));
  batch.Put(Family::kPlain, "k", "");
  ASSERT_TRUE(this->engine_->Commit(batch).ok());
  this->Reopen();
  EXPECT_EQ(this->Get(Family::kManifest, "k"), "manifest");
  EXPECT_EQ(this->Get(Family::kInt8, "k"), "int8");
  EXPECT_EQ(this->Get(Family::kResidual, "k"), std::string("r\0x", 3));
  EXPECT_EQ(this->Get(Family::kPlain, "k"), "");
}

TYPED_TEST(EngineTest, BatchAppliesInOrder) {
  ASSERT_TRUE(this->Put(Family::kManifest, "a", "old").ok());
  WriteBatch batch;
  batch.Put(Family::kManifest, "a", "new");
  batch.Delete(Family::kManifest, "a");
  batch.Put(Family::kManifest, "b", "1");
  batch.Put(Family::kManifest, "b", "2");
  batch.Delete(Family::kManifest, "absent");
  ASSERT_TRUE(this->engine_->Commit(batch).ok());
  EXPECT_THAT(this->Keys(Family::kManifest), ElementsAre("b"));
  EXPECT_EQ(this->Get(Family::kManifest, "b"), "2");
}

TYPED_TEST(EngineTest, ScanIsHalfOpenAscendingAndStops) {
  for (const char* key : {"c", "a", "d", "b"}) {
    ASSERT_TRUE(this->Put(Family::kManifest, key, key).ok());
  }
  EXPECT_THAT(this->Keys(Family::kManifest, "b", "d"), ElementsAre("b", "c"));
  EXPECT_THAT(this->Keys(Family::kManifest, "d", "b"), IsEmpty());
  int visited = 0;
  ASSERT_TRUE(
      this->engine_
          ->Scan(Family::kManifest, "", "z",
                 [&](std::string_view, ByteView) { return ++visited < 2; })
          .ok());
  EXPECT_EQ(visited, 2);
  EXPECT_EQ(*this->engine_->LastKey(Family::kManifest), "d");
}

TYPED_TEST(EngineTest, BulkValuesAreInvisibleUntilIngest) {
  auto writer = this->engine_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  const ByteVector value = PatternBytes(100, 1);
  ASSERT_TRUE((*writer)->Put(Family::kInt8, "a", value).ok());
  ASSERT_TRUE((*writer)->Put(Family::kResidual, "a", value).ok());
  ASSERT_TRUE((*writer)->Put(Family::kInt8, "b", value).ok());
  EXPECT_EQ((*writer)->size_bytes(), 303u);
  EXPECT_THAT(this->Keys(Family::kInt8), IsEmpty());
  ASSERT_TRUE((*writer)->Ingest().ok());
  EXPECT_THAT(this->Keys(Family::kInt8), ElementsAre("a", "b"));
  EXPECT_THAT(this->Keys(Family::kResidual), ElementsAre("a"));
  EXPECT_FALSE((*writer)->Put(Family::kInt8, "c", value).ok());
  EXPECT_FALSE((*writer)->Ingest().ok());
  this->Reopen();
  EXPECT_THAT(this->Keys(Family::kInt8), ElementsAre("a", "b"));
}

TYPED_TEST(EngineTest, BulkKeysMustAscend) {
  auto writer = this->engine_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  const ByteVector value = PatternBytes(10, 1);
  ASSERT_TRUE((*writer)->Put(Family::kPlain, "b", value).ok());
  EXPECT_FALSE((*writer)->Put(Family::kPlain, "a", value).ok());
  EXPECT_FALSE((*writer)->Put(Family::kPlain, "b", value).ok());
  EXPECT_TRUE((*writer)->Put(Family::kPlain, "c", value).ok());
  ASSERT_TRUE((*writer)->Ingest().ok());
  EXPECT_THAT(this->Keys(Family::kPlain), ElementsAre("b", "c"));
}

TYPED_TEST(EngineTest, AbandonedOrEmptyBulkWriterLeavesNothing) {
  const uint64_t before_bytes = this->engine_->DiskBytes();
  {
    auto writer = this->engine_->NewBulkWriter();
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(
        (*writer)->Put(Family::kPlain, "a", PatternBytes(4 << 20, 1)).ok());
  }
  EXPECT_THAT(this->Keys(Family::kPlain), IsEmpty());
  EXPECT_LT(this->engine_->DiskBytes(), before_bytes + (1 << 20));
  auto empty = this->engine_->NewBulkWriter();
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE((*empty)->Ingest().ok());
}

TYPED_TEST(EngineTest, PinnedValueSurvivesDeletion) {
  this->IngestObject(1, 2, 1 << 20);
  absl::StatusOr<PinnedValue> pinned =
      this->engine_->Get(Family::kPlain, DataKey{1, 1, 0}.Encode());
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  ASSERT_TRUE(
      this->engine_
          ->DeleteRange(Family::kPlain, DataKeyBound(1), DataKeyBound(2))
          .ok());
  EXPECT_FALSE(this->HasChunk(1, 1, 1 << 20));
  const ByteVector expected = PatternBytes(1 << 20, 1001);
  EXPECT_TRUE(std::equal(pinned->bytes().begin(), pinned->bytes().end(),
                         expected.begin(), expected.end()));
}

TYPED_TEST(EngineTest, DeleteRangeGivesSpaceBackAndSparesNeighbours) {
  this->IngestObject(1, 2, 1 << 20);
  const uint64_t small_bytes = this->engine_->DiskBytes();
  this->IngestObject(2, 8, 1 << 20);
  this->IngestObject(3, 2, 1 << 20);
  ASSERT_TRUE(
      this->engine_
          ->DeleteRange(Family::kPlain, DataKeyBound(2), DataKeyBound(3))
          .ok());
  EXPECT_TRUE(this->HasChunk(1, 1, 1 << 20));
  EXPECT_FALSE(this->HasChunk(2, 0, 1 << 20));
  EXPECT_TRUE(this->HasChunk(3, 1, 1 << 20));
  EXPECT_LT(this->engine_->DiskBytes(), small_bytes + (5 << 19));
  this->Reopen();
  EXPECT_TRUE(this->HasChunk(1, 1, 1 << 20));
  EXPECT_FALSE(this->HasChunk(2, 7, 1 << 20));
  EXPECT_TRUE(this->HasChunk(3, 0, 1 << 20));
}

// Ids inside one table file: what stays must be rewritten.
TYPED_TEST(EngineTest, DeleteRangeInsideOneIngestGivesSpaceBack) {
  auto writer = this->engine_->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  for (uint64_t id = 1; id <= 8; ++id) {
    ASSERT_TRUE((*writer)
                    ->Put(Family::kPlain, DataKey{id, 0, 0}.Encode(),
                          PatternBytes(1 << 20, id * 1000))
                    .ok());
  }
  ASSERT_TRUE((*writer)->Ingest().ok());
  ASSERT_TRUE(
      this->engine_
          ->DeleteRange(Family::kPlain, DataKeyBound(2), DataKeyBound(8))
          .ok());
  for (uint64_t id = 1; id <= 8; ++id) {
    EXPECT_EQ(this->HasChunk(id, 0, 1 << 20), id == 1 || id == 8) << id;
  }
  EXPECT_LT(this->engine_->DiskBytes(), 3u << 20);
}

TYPED_TEST(EngineTest, DeleteRangeOfNothingIsFine) {
  EXPECT_TRUE(this->engine_->DeleteRange(Family::kInt8, "a", "b").ok());
  EXPECT_TRUE(this->engine_->DeleteRange(Family::kInt8, "b", "a").ok());
  ASSERT_TRUE(this->Put(Family::kInt8, "c", "1").ok());
  EXPECT_TRUE(this->engine_->DeleteRange(Family::kInt8, "a", "c").ok());
  EXPECT_THAT(this->Keys(Family::kInt8), ElementsAre("c"));
  EXPECT_TRUE(this->engine_->DeleteRange(Family::kInt8, "c", "d").ok());
  EXPECT_THAT(this->Keys(Family::kInt8), IsEmpty());
}

TYPED_TEST(EngineTest, BulkKeyRangesCoverWhatWasIngested) {
  EXPECT_THAT(*this->engine_->BulkKeyRanges(Family::kPlain), IsEmpty());
  this->IngestObject(5, 3, 1000);
  this->IngestObject(9, 1, 1000);
  const auto ranges = this->engine_->BulkKeyRanges(Family::kPlain);
  ASSERT_TRUE(ranges.ok());
  for (const DataKey& key :
       {DataKey{5, 0, 0}, DataKey{5, 2, 0}, DataKey{9, 0, 0}}) {
    const std::string encoded = key.Encode();
    EXPECT_TRUE(
        std::any_of(ranges->begin(), ranges->end(), [&](const KeyRange& range) {
          return range.first <= encoded && encoded <= range.last;
        }));
  }
  EXPECT_THAT(*this->engine_->BulkKeyRanges(Family::kInt8), IsEmpty());
}

TYPED_TEST(EngineTest, CountsKeysFoundByFamily) {
  this->IngestObject(1, 4, 1000, Family::kInt8);
  this->IngestObject(1, 4, 1000, Family::kResidual);
  const EngineCounters before = this->engine_->Counters();
  for (uint32_t chunk = 0; chunk < 4; ++chunk) {
    EXPECT_TRUE(this->HasChunk(1, chunk, 1000, Family::kInt8));
  }
  EXPECT_FALSE(this->HasChunk(2, 0, 1000, Family::kInt8));
  this->Keys(Family::kResidual);
  const EngineCounters after = this->engine_->Counters();
  EXPECT_EQ(after.keys_read[1] - before.keys_read[1], 4u);
  EXPECT_EQ(after.keys_read[2] - before.keys_read[2], 0u);
}

// A copy holds what was there at its moment, whatever happens to the original.
TYPED_TEST(EngineTest, CheckpointIsAnEngineOfItsOwnOrUnimplemented) {
  const TemporaryDirectory directory;
  const std::filesystem::path copy = directory.path() / "copy";
  this->IngestObject(1, 2, 100'000, Family::kInt8);
  this->IngestObject(2, 2, 100'000);
  ASSERT_TRUE(this->Put(Family::kManifest, "before", "1").ok());
  const absl::Status status = this->engine_->Checkpoint(copy);
  if (absl::IsUnimplemented(status)) {
    EXPECT_THAT(std::string(status.message()),
                ::testing::HasSubstr("keeps no files"));
    EXPECT_FALSE(std::filesystem::exists(copy));
    return;
  }
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(this->engine_
                  ->DeleteRange(Family::kInt8, DataKeyBound(1), DataKeyBound(2))
                  .ok());
  ASSERT_TRUE(this->Put(Family::kManifest, "after", "1").ok());

  absl::StatusOr<std::unique_ptr<Engine>> opened = OpenRocksDbEngine(copy, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::swap(this->engine_, *opened);
  EXPECT_TRUE(this->HasChunk(1, 1, 100'000, Family::kInt8));
  EXPECT_TRUE(this->HasChunk(2, 1, 100'000));
  EXPECT_THAT(this->Keys(Family::kManifest), ElementsAre("before"));
  // What the copy deletes, the original keeps.
  ASSERT_TRUE(
      this->engine_
          ->DeleteRange(Family::kPlain, DataKeyBound(2), DataKeyBound(3))
          .ok());
  std::swap(this->engine_, *opened);
  EXPECT_TRUE(this->HasChunk(2, 1, 100'000));
  EXPECT_FALSE(this->HasChunk(1, 1, 100'000, Family::kInt8));
}

TYPED_TEST(EngineTest, CheckpointThatFailsLeavesNothing) {
  const TemporaryDirectory directory;
  this->IngestObject(1, 2, 100'000);
  EXPECT_FALSE(
      this->engine_->Checkpoint(directory.path() / "absent" / "copy").ok());
  EXPECT_FALSE(this->engine_->Checkpoint(directory.path()).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_TRUE(this->HasChunk(1, 1, 100'000));
}

TYPED_TEST(EngineTest, ReadersAndWritersTogether) {
  constexpr int kWriters = 3;
  constexpr uint64_t kObjects = 8;
  std::atomic<int> running = kWriters;
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (uint64_t i = 0; i < kObjects; ++i) {
        const uint64_t id = 1 + i * kWriters + static_cast<uint64_t>(w);
        this->IngestObject(id, 2, 50'000);
        EXPECT_TRUE(this->Put(Family::kManifest, DataKeyBound(id), "x").ok());
        if (i % 2 == 1) {
          EXPECT_TRUE(this->engine_
                          ->DeleteRange(Family::kPlain, DataKeyBound(id),
                                        DataKeyBound(id + 1))
                          .ok());
        }
      }
      --running;
    });
  }
  while (running > 0) {
    for (const std::string& key : this->Keys(Family::kManifest)) {
      const uint64_t id = *LeadingId(key);
      const bool kept = ((id - 1) / kWriters) % 2 == 0;
      if (kept) {
        EXPECT_TRUE(this->HasChunk(id, 1, 50'000)) << id;
      }
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(this->Keys(Family::kManifest).size(), kWriters * kObjects);
  EXPECT_EQ(this->Keys(Family::kPlain).size(), kWriters * kObjects);
}

}  // namespace
}  // namespace qstore::storage
