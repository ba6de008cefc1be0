// Uploads that a process did not finish: what they hold stays, and goes.
#include <ctime>
#include <utility>

#include "storage/records/keys.h"
#include "storage/records/record_table.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

constexpr int kSampleValues = 8;  // of QuantizedSample
constexpr int kPlainValues = 1;

int64_t InSeconds(int64_t seconds) {
  return static_cast<int64_t>(std::time(nullptr)) + seconds;
}

template <typename Maker>
class UnfinishedUploadsTest : public StoreTest<Maker> {
 protected:
  // An upload that has added a large object and two small ones.
  std::unique_ptr<Upload> BeginWithObjects(const std::string& model = "org/m") {
    auto upload = this->store_->BeginUpload(model);
    EXPECT_TRUE(upload.ok());
    for (const SampleObject& sample :
         {LargeSample(1), QuantizedSample(2), PlainSample(3)}) {
      EXPECT_TRUE(AddSample(upload->get(), sample).ok());
    }
    return *std::move(upload);
  }
  static constexpr int kValues =
      kLargeSampleValues + kSampleValues + kPlainValues;

  // As a process that ends: nothing of the upload is undone.
  void EndProcess(std::unique_ptr<Upload> upload) {
    EXPECT_TRUE(upload->LeaveCheckpoint());
    upload = nullptr;
    this->Reopen();
  }

  int CheckpointCount() {
    const auto ids = RecordTable(this->engine_.records.get()).UnfinishedIds();
    EXPECT_TRUE(ids.ok()) << ids.status();
    return ids.ok() ? static_cast<int>(ids->size()) : -1;
  }

  // The only one.
  UnfinishedUpload Take() {
    std::vector<UnfinishedUpload> all = this->store_->TakeUnfinishedUploads();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? UnfinishedUpload{} : std::move(all.front());
  }
};
TYPED_TEST_SUITE(UnfinishedUploadsTest, Makers);

TYPED_TEST(UnfinishedUploadsTest, GoesOnInTheNextProcess) {
  auto upload = this->BeginWithObjects();
  const int64_t expiry = InSeconds(100);
  ASSERT_TRUE(upload->Checkpoint("how far", expiry).ok());
  // What comes after it is not remembered.
  ASSERT_TRUE(AddSample(upload.get(), LargeSample(4)).ok());
  this->EndProcess(std::move(upload));
  EXPECT_EQ(this->store_->sweep_report().object_count, 1u);
  EXPECT_EQ(this->store_->sweep_report().upload_count, 0u);
  EXPECT_TRUE(this->store_->sweep_report().problem.ok());
  EXPECT_EQ(this->DataKeyCount(), this->kValues);
  UnfinishedUpload unfinished = this->Take();
  ASSERT_NE(unfinished.upload, nullptr);
  EXPECT_EQ(unfinished.model, "org/m");
  EXPECT_EQ(unfinished.payload, "how far");
  EXPECT_EQ(unfinished.expires_unix_seconds, expiry);
  EXPECT_TRUE(this->store_->TakeUnfinishedUploads().empty());

  // Every object is found, so that nothing is added but the file.
  auto draft = DraftOf(unfinished.upload.get(), "org/m",
                       {LargeSample(1), QuantizedSample(2), PlainSample(3)}, 1);
  ASSERT_TRUE(draft.ok()) << draft.status();
  ASSERT_TRUE(unfinished.upload->Commit(*std::move(draft), "main").ok());
  EXPECT_EQ(this->CheckpointCount(), 0);
  unfinished.upload = nullptr;
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_TRUE(this->Check("org/m:main").ok());
}

TYPED_TEST(UnfinishedUploadsTest, StaysOverProcessesThatDoNotTakeIt) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  this->EndProcess(std::move(upload));
  this->Reopen();
  this->Reopen();
  EXPECT_EQ(this->DataKeyCount(), this->kValues);
  EXPECT_EQ(this->Take().payload, "p");
}

TYPED_TEST(UnfinishedUploadsTest, IdsAreNotGivenAgain) {
  // An object without values leaves no data from which its id could be known.
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  const auto empty = AddSample(upload->get(), PlainSample(1, 0));
  ASSERT_TRUE(empty.ok());
  ASSERT_TRUE((*upload)->Checkpoint("p", InSeconds(100)).ok());
  this->EndProcess(*std::move(upload));
  UnfinishedUpload unfinished = this->Take();
  ASSERT_NE(unfinished.upload, nullptr);
  auto other = this->store_->BeginUpload("org/other");
  ASSERT_TRUE(other.ok());
  const auto id = AddSample(other->get(), PlainSample(2));
  ASSERT_TRUE(id.ok());
  EXPECT_GT(*id, *empty);
  ASSERT_TRUE((*other)->Checkpoint("q", InSeconds(100)).ok());
  EXPECT_EQ(this->CheckpointCount(), 2);
}

TYPED_TEST(UnfinishedUploadsTest, GoesWhenAbandoned) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  upload = nullptr;
  EXPECT_EQ(this->CheckpointCount(), 0);
  EXPECT_EQ(this->DataKeyCount(), 0);
  // The same of one that another process began.
  upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  this->EndProcess(std::move(upload));
  this->Take().upload = nullptr;
  EXPECT_EQ(this->CheckpointCount(), 0);
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(UnfinishedUploadsTest, ExpiresWhileNobodyRuns) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  ASSERT_TRUE(upload->ExtendCheckpoint(InSeconds(0)).ok());
  this->EndProcess(std::move(upload));
  EXPECT_EQ(this->store_->sweep_report().upload_count, 1u);
  EXPECT_EQ(this->store_->sweep_report().object_count, 3u);
  EXPECT_TRUE(this->store_->TakeUnfinishedUploads().empty());
  EXPECT_EQ(this->CheckpointCount(), 0);
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(UnfinishedUploadsTest, CanBeExtended) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->ExtendCheckpoint(InSeconds(100)).ok());  // of none
  EXPECT_EQ(this->CheckpointCount(), 0);
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(0)).ok());
  const int64_t expiry = InSeconds(100);
  ASSERT_TRUE(upload->ExtendCheckpoint(expiry).ok());
  this->EndProcess(std::move(upload));
  const UnfinishedUpload unfinished = this->Take();
  EXPECT_EQ(unfinished.payload, "p");
  EXPECT_EQ(unfinished.expires_unix_seconds, expiry);
}

TYPED_TEST(UnfinishedUploadsTest, TheFirstToExpireComesFirst) {
  for (const int64_t seconds : {300, 100, 200}) {
    auto upload = this->store_->BeginUpload("org/m");
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)
                    ->Checkpoint(std::to_string(seconds), InSeconds(seconds))
                    .ok());
    EXPECT_TRUE((*upload)->LeaveCheckpoint());
  }
  this->Reopen();
  std::string order;
  for (const auto& unfinished : this->store_->TakeUnfinishedUploads()) {
    order += unfinished.payload + " ";
  }
  EXPECT_EQ(order, "100 200 300 ");
}

// Objects that a revision uses too are kept by either alone.
TYPED_TEST(UnfinishedUploadsTest, SharesObjectsWithRevisions) {
  this->MustUpload("org/a", "main", {LargeSample(1)});
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  this->EndProcess(std::move(upload));
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  EXPECT_EQ(this->DataKeyCount(), this->kValues);
  this->Take().upload = nullptr;
  EXPECT_EQ(this->DataKeyCount(), 0);
}

// As a build that does not know of unfinished uploads leaves it: their objects
// are garbage to it.
TYPED_TEST(UnfinishedUploadsTest, IsDroppedWhenAnObjectIsGone) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  EXPECT_TRUE(upload->LeaveCheckpoint());
  upload = nullptr;
  RecordTable records(this->engine_.records.get());
  const auto ids = records.ObjectIds();
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->size(), 3u);
  RecordBatch batch;
  batch.DeleteObject(ids->back());
  ASSERT_TRUE(records.Commit(batch).ok());
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().upload_count, 1u);
  EXPECT_TRUE(this->store_->sweep_report().problem.ok());
  EXPECT_TRUE(this->store_->TakeUnfinishedUploads().empty());
  EXPECT_EQ(this->CheckpointCount(), 0);
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(UnfinishedUploadsTest, IsDroppedWhenItsRecordIsDamaged) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  EXPECT_TRUE(upload->LeaveCheckpoint());
  upload = nullptr;
  const auto ids = RecordTable(this->engine_.records.get()).UnfinishedIds();
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->size(), 1u);
  WriteBatch batch;
  batch.Put(UnfinishedKey(ids->front()), "not sealed");
  ASSERT_TRUE(this->engine_.records->Commit(batch).ok());
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().upload_count, 1u);
  EXPECT_EQ(this->CheckpointCount(), 0);
  EXPECT_EQ(this->DataKeyCount(), 0);
}

// A read that fails once is no reason to take what can be gone on with for
// garbage.
TYPED_TEST(UnfinishedUploadsTest, StaysWhenItCannotBeReadNow) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  EXPECT_TRUE(upload->LeaveCheckpoint());
  upload = nullptr;
  this->store_ = nullptr;
  // Its own record, then those of its objects and of their hashes; the version
  // and the next id are read before.
  for (const int nth : {3, 4, 5, 6}) {
    this->faults_->FailNth(Faults::Call::kGet, nth,
                           absl::InternalError("read error"));
    auto store = ModelStore::Open(WithFaults(this->engine_, this->faults_));
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_THAT((*store)->sweep_report().problem,
                StatusIs(absl::StatusCode::kInternal, "read error"));
    EXPECT_TRUE((*store)->TakeUnfinishedUploads().empty());
    this->faults_->Heal();
  }
  this->Reopen();
  EXPECT_EQ(this->Take().payload, "p");
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(UnfinishedUploadsTest, AFailedCheckpointEndsTheUpload) {
  for (const Faults::Call call :
       {Faults::Call::kIngest, Faults::Call::kCommit}) {
    auto upload = this->BeginWithObjects();
    this->faults_->FailNth(call, 1, absl::ResourceExhaustedError("full"));
    EXPECT_THAT(upload->Checkpoint("p", InSeconds(100)),
                StatusIs(absl::StatusCode::kResourceExhausted, "full"));
    EXPECT_THAT(AddSample(upload.get(), PlainSample(9)).status(),
                StatusIs(absl::StatusCode::kResourceExhausted, "full"));
    upload = nullptr;
    EXPECT_EQ(this->CheckpointCount(), 0);
    EXPECT_EQ(this->DataKeyCount(), 0);
  }
}

// The deletion of a checkpoint is refused: the record that remains names
// objects that are gone, and goes when the store is opened.
TYPED_TEST(UnfinishedUploadsTest, ARefusedDeletionIsMadeUpFor) {
  auto upload = this->BeginWithObjects();
  ASSERT_TRUE(upload->Checkpoint("p", InSeconds(100)).ok());
  this->faults_->FailNth(Faults::Call::kCommit, 1,
                         absl::ResourceExhaustedError("full"));
  upload = nullptr;
  EXPECT_EQ(this->DataKeyCount(), 0);
  this->Reopen();
  EXPECT_TRUE(this->store_->TakeUnfinishedUploads().empty());
  EXPECT_EQ(this->CheckpointCount(), 0);
}

TYPED_TEST(UnfinishedUploadsTest, NoCheckpointWhileAnObjectIsWritten) {
  auto upload = this->store_->BeginUpload("org/m");
  ASSERT_TRUE(upload.ok());
  const auto writer = (*upload)->AddObject();
  ASSERT_TRUE(writer.ok());
  EXPECT_THAT((*upload)->Checkpoint("p", InSeconds(100)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE((*upload)->LeaveCheckpoint());
}

}  // namespace
}  // namespace qstore::storage
