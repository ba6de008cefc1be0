// What every record store must do.
#include "storage/records/record_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/storage/store_makers.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename Maker>
class RecordStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    records_ = nullptr;
    records_ = maker_.Open().records;
    ASSERT_NE(records_, nullptr);
  }

  std::vector<std::string> Keys(const std::string& begin = "",
                                const std::string& end = "\xff") {
    std::vector<std::string> keys;
    EXPECT_TRUE(records_
                    ->Scan(begin, end,
                           [&keys](std::string_view key, ByteView) {
                             keys.emplace_back(key);
                             return true;
                           })
                    .ok());
    return keys;
  }

  absl::Status Put(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.Put(key, value);
    return records_->Commit(batch);
  }

  std::string Get(std::string_view key) {
    const absl::StatusOr<PinnedValue> value = records_->Get(key);
    return value.ok() ? std::string(AsStringView(value->bytes()))
                      : value.status().ToString();
  }

  Maker maker_;
  std::shared_ptr<RecordStore> records_;
};
TYPED_TEST_SUITE(RecordStoreTest, EveryMaker);

TYPED_TEST(RecordStoreTest, AbsentKeyIsNotFoundAndNamed) {
  const absl::Status status = this->records_->Get("t/org").status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("manifest: key"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("t/org"));
}

TYPED_TEST(RecordStoreTest, WhatIsCommittedIsReadBack) {
  WriteBatch batch;
  batch.Put("a", "value");
  batch.Put("b", std::string("r\0x", 3));
  batch.Put(std::string("c\0d", 3), "");
  ASSERT_TRUE(this->records_->Commit(batch).ok());
  this->Reopen();
  EXPECT_EQ(this->Get("a"), "value");
  EXPECT_EQ(this->Get("b"), std::string("r\0x", 3));
  EXPECT_EQ(this->Get(std::string_view("c\0d", 3)), "");
  EXPECT_TRUE(this->records_->Commit(WriteBatch()).ok());
}

TYPED_TEST(RecordStoreTest, LastOperationOfAKeyCounts) {
  ASSERT_TRUE(this->Put("a", "old").ok());
  WriteBatch batch;
  batch.Put("a", "new");
  batch.Delete("a");
  batch.Put("b", "1");
  batch.Put("b", "2");
  batch.Delete("absent");
  ASSERT_TRUE(this->records_->Commit(batch).ok());
  EXPECT_THAT(this->Keys(), ElementsAre("b"));
  EXPECT_EQ(this->Get("b"), "2");
  this->Reopen();
  EXPECT_THAT(this->Keys(), ElementsAre("b"));
}

TYPED_TEST(RecordStoreTest, ScanIsHalfOpenAscendingAndStops) {
  for (const char* key : {"c", "a", "d", "b"}) {
    ASSERT_TRUE(this->Put(key, key).ok());
  }
  EXPECT_THAT(this->Keys("b", "d"), ElementsAre("b", "c"));
  EXPECT_THAT(this->Keys("d", "b"), IsEmpty());
  int visited = 0;
  ASSERT_TRUE(this->records_
                  ->Scan("", "z",
                         [&](std::string_view key, ByteView value) {
                           EXPECT_EQ(AsStringView(value), key);
                           // A visitor may read.
                           EXPECT_EQ(this->Get(key), key);
                           return ++visited < 2;
                         })
                  .ok());
  EXPECT_EQ(visited, 2);
}

TYPED_TEST(RecordStoreTest, PinnedRecordSurvivesItsDeletion) {
  ASSERT_TRUE(this->Put("a", "value").ok());
  const absl::StatusOr<PinnedValue> pinned = this->records_->Get("a");
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  WriteBatch batch;
  batch.Delete("a");
  ASSERT_TRUE(this->records_->Commit(batch).ok());
  EXPECT_TRUE(absl::IsNotFound(this->records_->Get("a").status()));
  EXPECT_EQ(AsStringView(pinned->bytes()), "value");
}

// Readers see all of a batch or nothing, whoever else commits.
TYPED_TEST(RecordStoreTest, ReadersAndWritersTogether) {
  constexpr int kWriters = 3;
  constexpr int kBatches = 12;
  std::atomic<int> running = kWriters;
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < kBatches; ++i) {
        const std::string key = std::to_string(w) + "/" + std::to_string(i);
        WriteBatch batch;
        batch.Put("a/" + key, key);
        batch.Put("b/" + key, key);
        EXPECT_TRUE(this->records_->Commit(batch).ok());
      }
      --running;
    });
  }
  while (running > 0) {
    for (const std::string& key : this->Keys("a/", "a0")) {
      EXPECT_EQ(this->Get("b" + key.substr(1)), key.substr(2));
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(this->Keys().size(), size_t{2} * kWriters * kBatches);
}

}  // namespace
}  // namespace qstore::storage
