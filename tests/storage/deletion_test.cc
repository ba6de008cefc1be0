// Deletion and what is collected after it, and what is not.
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Maker>
class DeletionTest : public StoreTest<Maker> {};
TYPED_TEST_SUITE(DeletionTest, Makers);

TYPED_TEST(DeletionTest, LastTagTakesTheRevisionWithIt) {
  const std::string id =
      this->MustUpload("org/m", "a", {QuantizedSample(1), LargeSample(2)});
  ASSERT_TRUE(this->store_->SetTag(Ref("org/m:a"), "b").ok());
  const uint64_t full_bytes = this->engine_.blobs->DiskBytes();

  const auto first = this->store_->Delete(Ref("org/m:a"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->revision, id);
  EXPECT_THAT(first->removed_tags, ElementsAre("a"));
  EXPECT_FALSE(first->revision_deleted);
  EXPECT_EQ(first->reclaimed_bytes, 0u);
  EXPECT_TRUE(this->Check("org/m:b").ok());

  const auto second = this->store_->Delete(Ref("org/m:b"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->revision_deleted);
  EXPECT_GT(second->reclaimed_bytes, 9u << 20);
  EXPECT_TRUE(this->Collect().ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_EQ(this->RecordCount(), 2);
  EXPECT_LT(this->engine_.blobs->DiskBytes() + (9u << 20), full_bytes);
  EXPECT_THAT(*this->store_->ListModels(), IsEmpty());
  EXPECT_THAT(this->store_->Delete(Ref("org/m:b")).status(),
              StatusIs(absl::StatusCode::kNotFound, "no model"));
}

TYPED_TEST(DeletionTest, ByRevisionRemovesAllItsTags) {
  const std::string one = this->MustUpload("org/m", "a", {PlainSample(1)});
  const std::string two = this->MustUpload("org/m", "b", {PlainSample(2)});
  ASSERT_TRUE(this->store_->SetTag(Ref("org/m:a"), "c").ok());
  const auto result = this->store_->Delete(Ref("org/m@" + one.substr(0, 12)));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->revision, one);
  EXPECT_TRUE(result->revision_deleted);
  EXPECT_THAT(result->removed_tags, ElementsAre("a", "c"));
  EXPECT_THAT(this->TagNames("org/m"), ElementsAre("b"));
  EXPECT_THAT(this->store_->GetModel("org/m")->revisions, ElementsAre(two));
  EXPECT_THAT(this->store_->Delete(Ref("org/m:a")).status(),
              StatusIs(absl::StatusCode::kNotFound, "its tags are b"));
}

// What others need is not said to come back.
TYPED_TEST(DeletionTest, ReclaimedBytesAreThoseThatNobodyNeeds) {
  this->MustUpload("org/a", "main", {LargeSample(1), PlainSample(2)}, 1);
  this->MustUpload("org/b", "main", {LargeSample(1), LargeSample(3)}, 2);
  const auto one = this->store_->Delete(Ref("org/a:main"));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_GT(one->stored_bytes, 9u << 20);
  EXPECT_GT(one->reclaimed_bytes, 0u);
  EXPECT_LT(one->reclaimed_bytes, 1u << 20);
  auto upload = this->store_->BeginUpload("org/c");
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->FindObject(LargeSample(3).content_hash()).ok());
  const auto two = this->store_->Delete(Ref("org/b:main"));
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_GT(two->reclaimed_bytes, 9u << 20);
  EXPECT_LT(two->reclaimed_bytes, 12u << 20) << "with what the upload holds";
  EXPECT_EQ(two->stored_bytes > two->reclaimed_bytes + (9u << 20), true);
}

TYPED_TEST(DeletionTest, SharedObjectsStay) {
  this->MustUpload("org/a", "main", {QuantizedSample(1), PlainSample(2)});
  this->MustUpload("org/b", "main", {QuantizedSample(1), PlainSample(3)});
  this->MustUpload("org/a", "next", {QuantizedSample(1), LargeSample(4)});
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:next")).ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
  EXPECT_EQ(this->DataKeyCount(), 10);
  this->Reopen();
  EXPECT_TRUE(this->Check("org/b:main").ok());
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_EQ(this->store_->sweep_report().data_range_count, 0u);
}

TYPED_TEST(DeletionTest, ReaderKeepsADeletedRevisionUntilItIsGone) {
  this->MustUpload("org/m", "main", {QuantizedSample(1), LargeSample(2)});
  auto reader = this->store_->OpenRevision(Ref("org/m:main"));
  ASSERT_TRUE(reader.ok());
  auto second = this->store_->OpenRevision(Ref("org/m:main"));
  ASSERT_TRUE(second.ok());
  const auto result = this->store_->Delete(Ref("org/m:main"));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->revision_deleted);
  EXPECT_EQ(result->reclaimed_bytes, 0u);
  EXPECT_THAT(this->Check("org/m:main"), StatusIs(absl::StatusCode::kNotFound));
  second->reset();
  EXPECT_TRUE(ReadAllValues(reader->get()).ok());
  reader->reset();
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(DeletionTest, UploadKeepsWhatItFoundWhileItIsDeletedElsewhere) {
  this->MustUpload("org/a", "main", {QuantizedSample(1), LargeSample(2)});
  auto upload = this->store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  auto draft =
      DraftOf(upload->get(), "org/b", {QuantizedSample(1), LargeSample(2)}, 1);
  ASSERT_TRUE(draft.ok());
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  ASSERT_TRUE((*upload)->Commit(*draft, "main").ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
  upload->reset();
  this->Reopen();
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

TYPED_TEST(DeletionTest, AbandonedUploadGivesUpWhatWasDeletedMeanwhile) {
  this->MustUpload("org/a", "main", {QuantizedSample(1)});
  auto upload = this->store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->FindObject(QuantizedSample(1).content_hash()).ok());
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  EXPECT_GT(this->DataKeyCount(), 0);
  upload->reset();
  EXPECT_EQ(this->DataKeyCount(), 0);
}

TYPED_TEST(DeletionTest, DeletedContentCanBeUploadedAgain) {
  for (int i = 0; i < 3; ++i) {
    this->MustUpload("org/m", "main", {QuantizedSample(1), LargeSample(2)});
    EXPECT_TRUE(this->Check("org/m:main").ok());
    ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
    EXPECT_EQ(this->DataKeyCount(), 0);
  }
}

TYPED_TEST(DeletionTest, RefusedDeleteChangesNothing) {
  this->MustUpload("org/m", "main", {LargeSample(1)});
  this->faults_->FailNth(Faults::Call::kCommit, 1,
                         absl::ResourceExhaustedError("full"));
  EXPECT_THAT(this->store_->Delete(Ref("org/m:main")).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "org/m:main"));
  EXPECT_TRUE(this->Check("org/m:main").ok());
  EXPECT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
}

}  // namespace
}  // namespace qstore::storage
