// What decorators do beyond handing calls on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/records/keys.h"
#include "tests/storage/families.h"
#include "tests/storage/store_makers.h"

namespace qstore::storage {
namespace {

void IngestValues(const Engine& engine, Family family, uint64_t count,
                  size_t size) {
  auto writer = engine.blobs->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  for (uint64_t id = 1; id <= count; ++id) {
    ASSERT_TRUE(
        (*writer)
            ->Put(family, DataKey{id, 0, 0}.Encode(), PatternBytes(size, id))
            .ok());
  }
  ASSERT_TRUE((*writer)->Ingest().ok());
}

std::string KeyOf(uint64_t id) { return DataKey{id, 0, 0}.Encode(); }

class CachedBlobStoreTest : public ::testing::Test {
 protected:
  // Reads behind the cache.
  uint64_t reads() const { return meter_->values(kPlainFamily).keys; }
  bool Has(uint64_t id) {
    const auto value = cached_->Get(kPlainFamily, KeyOf(id));
    return value.ok() &&
           AsStringView(value->bytes()) == AsStringView(PatternBytes(1000, id));
  }

  const Engine engine_ = NewMemoryEngine();
  const std::shared_ptr<ReadMeter> meter_ = std::make_shared<ReadMeter>();
  const std::shared_ptr<BlobStore> cached_ =
      NewCachedBlobStore(NewMeteredBlobStore(engine_.blobs, meter_), 2500);
};

TEST_F(CachedBlobStoreTest, KeepsTheMostRecentlyReadValues) {
  IngestValues(engine_, kPlainFamily, 3, 1000);
  EXPECT_TRUE(Has(1));
  EXPECT_TRUE(Has(2));
  EXPECT_TRUE(Has(1));
  EXPECT_EQ(reads(), 2u);
  EXPECT_TRUE(Has(3));  // the second goes
  EXPECT_TRUE(Has(1));
  EXPECT_TRUE(Has(3));
  EXPECT_EQ(reads(), 3u);
  EXPECT_TRUE(Has(2));
  EXPECT_EQ(reads(), 4u);
}

TEST_F(CachedBlobStoreTest, LargerValuesAreNotKept) {
  IngestValues(engine_, kPlainFamily, 1, 3000);
  for (uint64_t i = 1; i <= 2; ++i) {
    EXPECT_TRUE(cached_->Get(kPlainFamily, KeyOf(1)).ok());
    EXPECT_EQ(reads(), i);
  }
}

TEST_F(CachedBlobStoreTest, AbsenceAndFailureAreNotKept) {
  EXPECT_TRUE(absl::IsNotFound(cached_->Get(kPlainFamily, KeyOf(1)).status()));
  IngestValues(engine_, kPlainFamily, 1, 1000);
  EXPECT_TRUE(Has(1));
}

TEST_F(CachedBlobStoreTest, DeletedRangesGoAndOthersStay) {
  IngestValues(engine_, kPlainFamily, 2, 1000);
  EXPECT_TRUE(Has(1));
  EXPECT_TRUE(Has(2));
  ASSERT_TRUE(
      cached_->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(2))
          .ok());
  EXPECT_FALSE(Has(1));
  EXPECT_TRUE(Has(2));
  EXPECT_EQ(reads(), 2u);
  // In another family the range means nothing here.
  ASSERT_TRUE(cached_->DeleteRange(kInt8Family, "", DataKeyBound(9)).ok());
  EXPECT_TRUE(Has(2));
  EXPECT_EQ(reads(), 2u);
}

TEST(MeterTest, CountsWhatIsFoundByFamily) {
  Engine engine = NewMemoryEngine();
  const auto meter = std::make_shared<ReadMeter>();
  engine.records = NewMeteredRecordStore(engine.records, meter);
  engine.blobs = NewMeteredBlobStore(engine.blobs, meter);
  IngestValues(engine, kInt8Family, 4, 1000);
  IngestValues(engine, kResidualFamily, 4, 10);
  WriteBatch batch;
  batch.Put("k", "value");
  ASSERT_TRUE(engine.records->Commit(batch).ok());
  for (uint64_t id = 1; id <= 5; ++id) {
    EXPECT_EQ(engine.blobs->Get(kInt8Family, KeyOf(id)).ok(), id < 5);
  }
  EXPECT_TRUE(engine.records->Get("k").ok());
  EXPECT_FALSE(engine.records->Get("absent").ok());
  EXPECT_TRUE(
      engine.records
          ->Scan("", "z", [](std::string_view, ByteView) { return true; })
          .ok());
  EXPECT_EQ(meter->values(kInt8Family).keys, 4u);
  EXPECT_EQ(meter->values(kInt8Family).bytes, 4000u);
  EXPECT_EQ(meter->values(kResidualFamily).keys, 0u);
  EXPECT_EQ(meter->records().keys, 1u);
  EXPECT_EQ(meter->records().bytes, 5u);
}

TEST(FaultsTest, DamageIsOneBitOfOneFamily) {
  Faults faults;
  const Engine engine = NewMemoryEngine();
  IngestValues(engine, kInt8Family, 1, 1000);
  IngestValues(engine, kPlainFamily, 1, 1000);
  const Engine faulty = WithFaults(engine, &faults);
  faults.DamageReads(kInt8Family);
  const ByteVector whole = PatternBytes(1000, 1);
  EXPECT_NE(AsStringView(faulty.blobs->Get(kInt8Family, KeyOf(1))->bytes()),
            AsStringView(whole));
  EXPECT_EQ(AsStringView(faulty.blobs->Get(kPlainFamily, KeyOf(1))->bytes()),
            AsStringView(whole));
}

TEST(FaultsTest, NthCallFailsWithOrWithoutEffect) {
  Faults faults;
  const Engine engine = NewMemoryEngine();
  const Engine faulty = WithFaults(engine, &faults);
  WriteBatch batch;
  batch.Put("k", "value");
  faults.FailNth(Faults::Call::kCommit, 2, absl::UnavailableError("no"));
  EXPECT_TRUE(faulty.records->Commit(batch).ok());
  batch.Put("l", "value");
  EXPECT_TRUE(absl::IsUnavailable(faulty.records->Commit(batch)));
  EXPECT_FALSE(engine.records->Get("l").ok());
  faults.FailNth(Faults::Call::kCommit, 1, absl::UnavailableError("who knows"),
                 Faults::Effect::kTaken);
  EXPECT_TRUE(absl::IsUnavailable(faulty.records->Commit(batch)));
  EXPECT_TRUE(engine.records->Get("l").ok());
  EXPECT_EQ(faults.failed_count(), 2u);
}

}  // namespace
}  // namespace qstore::storage
