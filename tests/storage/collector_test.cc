// The collector's thread: what it does after failures, and that nobody waits
// for it.
#include "storage/collector.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Call = Faults::Call;

template <typename Maker>
class CollectorTest : public StoreTest<Maker> {
 protected:
  void SetUp() override {
    this->options_.report_collection = [this](const absl::Status& status) {
      const absl::MutexLock lock(&reports_mutex_);
      reports_.push_back(status);
    };
    StoreTest<Maker>::SetUp();
  }
  void TearDown() override { this->store_ = nullptr; }

  std::vector<absl::Status> Reports() {
    const absl::MutexLock lock(&reports_mutex_);
    return reports_;
  }

  // Without asking for a collection.
  bool HasData() {
    bool found = false;
    for (const Family family : AllFamilies()) {
      EXPECT_TRUE(this->engine_.blobs
                      ->ListKeys(family, "", "\xff",
                                 [&found](std::string_view) {
                                   found = true;
                                   return false;
                                 })
                      .ok());
    }
    return found;
  }
  template <typename Condition>
  static bool ComesTrue(const Condition& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

 private:
  absl::Mutex reports_mutex_;
  std::vector<absl::Status> reports_ ABSL_GUARDED_BY(reports_mutex_);
};
TYPED_TEST_SUITE(CollectorTest, Makers);

TYPED_TEST(CollectorTest, DeletesByItself) {
  this->MustUpload("org/m", "main", {LargeSample(1), PlainSample(2)});
  ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
  EXPECT_TRUE(this->ComesTrue([this] { return !this->HasData(); }));
  EXPECT_EQ(this->store_->collection_state().failure_count, 0u);
  EXPECT_TRUE(this->store_->collection_state().status.ok());
  EXPECT_THAT(this->Reports(), IsEmpty());
}

// Neither a new deletion nor anybody who asks is needed.
TYPED_TEST(CollectorTest, FailureIsCountedToldOnceAndTriedAgain) {
  for (const Call call : {Call::kCommit, Call::kDeleteRange}) {
    this->MustUpload("org/m", "main", {LargeSample(1)});
    const uint64_t failed = this->store_->collection_state().failure_count;
    const size_t told = this->Reports().size();
    auto reader = this->store_->OpenRevision(Ref("org/m:main"));
    ASSERT_TRUE(reader.ok());
    const auto result = this->store_->Delete(Ref("org/m:main"));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->revision_deleted);
    EXPECT_EQ(result->reclaimed_bytes, 0u);
    this->faults_->FailAll(call, absl::ResourceExhaustedError("full"));
    reader->reset();
    EXPECT_TRUE(this->ComesTrue([&, this] {
      return this->store_->collection_state().failure_count >= failed + 3;
    }));
    EXPECT_THAT(this->store_->collection_state().status,
                StatusIs(absl::StatusCode::kResourceExhausted, "full"));
    EXPECT_THAT(this->Collect(),
                StatusIs(absl::StatusCode::kResourceExhausted, "full"));
    EXPECT_TRUE(this->HasData());
    EXPECT_THAT(this->Reports(), SizeIs(told + 1));
    this->faults_->Heal();
    EXPECT_TRUE(this->ComesTrue(
        [&, this] { return this->store_->collection_state().status.ok(); }));
    EXPECT_FALSE(this->HasData());
    // The report follows at once, but not in the same step.
    EXPECT_TRUE(this->Collect().ok());
    EXPECT_THAT(this->Reports(), SizeIs(told + 2));
    EXPECT_TRUE(this->Reports().back().ok());
  }
}

// While the deletion of data stands still, everything else goes on.
TYPED_TEST(CollectorTest, SlowDeletionHoldsUpNobody) {
  this->MustUpload("org/kept", "main", {QuantizedSample(1)}, 1);
  std::vector<std::unique_ptr<RevisionReader>> readers;
  for (const char* name : {"org/a", "org/b"}) {
    this->MustUpload(name, "main", {LargeSample(readers.size() + 2)},
                     readers.size() + 2);
    auto reader = this->store_->OpenRevision(Ref(std::string(name) + ":main"));
    ASSERT_TRUE(reader.ok());
    readers.push_back(*std::move(reader));
    ASSERT_TRUE(this->store_->Delete(Ref(std::string(name) + ":main")).ok());
  }
  this->faults_->Hold(Call::kDeleteRange);
  std::atomic<bool> done = false;
  std::thread others([&, this] {
    readers.clear();
    EXPECT_TRUE(this->Check("org/kept:main").ok());
    this->MustUpload("org/new", "main", {LargeSample(9), PlainSample(8)}, 9);
    EXPECT_TRUE(this->Check("org/new:main").ok());
    EXPECT_TRUE(this->store_->Delete(Ref("org/new:main")).ok());
    EXPECT_TRUE(this->store_->ListModels().ok());
    auto object = this->store_->OpenNextObject(0);
    EXPECT_TRUE(object.ok() && *object != nullptr);
    done = true;
  });
  EXPECT_TRUE(this->ComesTrue([&done] { return done.load(); }));
  EXPECT_TRUE(
      this->ComesTrue([this] { return this->faults_->held_count() > 0; }));
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      this->store_->WaitForCollection(absl::Milliseconds(1))));
  EXPECT_TRUE(this->HasData());
  this->faults_->Release();
  others.join();
  EXPECT_EQ(this->DataKeyCount(), 9);
}

// Closing waits for one step, and the next process deletes the rest.
TYPED_TEST(CollectorTest, ClosingLeavesTheRestToTheNextOpen) {
  this->MustUpload("org/kept", "main", {QuantizedSample(1)}, 1);
  this->MustUpload("org/a", "main", {LargeSample(2)}, 2);
  this->MustUpload("org/b", "main", {LargeSample(3)}, 3);
  this->faults_->Hold(Call::kDeleteRange);
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  EXPECT_TRUE(
      this->ComesTrue([this] { return this->faults_->held_count() > 0; }));
  ASSERT_TRUE(this->store_->Delete(Ref("org/b:main")).ok());
  std::thread closing([this] { this->store_ = nullptr; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  this->faults_->Release();
  closing.join();
  this->Reopen();
  EXPECT_TRUE(this->store_->sweep_report().problem.ok());
  EXPECT_GE(this->store_->sweep_report().object_count, 1u);
  EXPECT_EQ(this->DataKeyCount(), 9);
  EXPECT_TRUE(this->Check("org/kept:main").ok());
}

// More objects than one batch of records has.
TYPED_TEST(CollectorTest, ManyObjectsGoInSeveralBatches) {
  std::vector<SampleObject> samples;
  samples.reserve(600);
  for (uint64_t i = 0; i < 600; ++i) samples.push_back(PlainSample(i, 8));
  this->MustUpload("org/m", "main", samples);
  ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_EQ(this->RecordCount(), 2);
}

}  // namespace
}  // namespace qstore::storage
