// A full disk at every step, with RocksDB's own handling of ENOSPC: reads go
// on, and writing works again without a restart once there is space.
#include "tests/storage/rocksdb/full_disk.h"

#include "storage/records/keys.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

class FullDiskTest : public StoreTest<RocksDbEngineMaker> {};

TEST_F(FullDiskTest, IngestFailsAloneAndRecovers) {
  MustUpload("org/a", "main", {QuantizedSample(1)});
  auto upload = store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  {
    const FullDisk full(maker_.path());
    EXPECT_THAT(AddSample(upload->get(), LargeSample(2)).status(),
                StatusIs(absl::StatusCode::kResourceExhausted, "disk space"));
    EXPECT_TRUE(Check("org/a:main").ok());
  }
  upload->reset();
  EXPECT_EQ(DataKeyCount(), 9);
  MustUpload("org/b", "main", {LargeSample(2)});
  EXPECT_TRUE(Check("org/b:main").ok());
}

TEST_F(FullDiskTest, CommitFailsAndRecovers) {
  MustUpload("org/a", "main", {QuantizedSample(1)});
  auto upload = store_->BeginUpload("org/b");
  ASSERT_TRUE(upload.ok());
  // Large and unlike the config, so that nothing is left to ingest at Commit.
  ASSERT_TRUE(AddSample(upload->get(), LargeSample(2)).ok());
  const auto id = (*upload)->FindObject(LargeSample(2).content_hash());
  StoredRevision draft;
  draft.model = "org/b";
  draft.files.push_back({.path = "model.safetensors",
                         .size_bytes = LargeSample(2).object.raw_bytes,
                         .safetensors = false,
                         .segments = {SegmentOf(**id, LargeSample(2), "t")}});
  {
    const FullDisk full(maker_.path());
    EXPECT_THAT((*upload)->Commit(draft, "main").status(),
                StatusIs(absl::StatusCode::kResourceExhausted, "org/b@"));
    EXPECT_TRUE(Check("org/a:main").ok());
    EXPECT_THAT(Check("org/b:main"), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(store_->SetTag(Ref("org/a:main"), "x").status(),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(store_->Delete(Ref("org/a:main")).status(),
                StatusIs(absl::StatusCode::kResourceExhausted));
    upload->reset();
  }
  EXPECT_TRUE(store_->SetTag(Ref("org/a:main"), "x").ok());
  MustUpload("org/c", "main", {QuantizedSample(3), LargeSample(4)});
  // What the failed upload left went with the next collection.
  EXPECT_EQ(DataKeyCount(), 9 + 8 + kLargeSampleValues);
  Reopen();
  EXPECT_EQ(store_->sweep_report().object_count, 0u);
  EXPECT_EQ(store_->sweep_report().data_range_count, 0u);
  EXPECT_TRUE(Check("org/a:x").ok());
  EXPECT_TRUE(Check("org/c:main").ok());
  EXPECT_THAT(Check("org/b:main"), StatusIs(absl::StatusCode::kNotFound));
}

// The last step alone fails: the table is written, RocksDB's list of tables is
// not.
TEST_F(FullDiskTest, ListOfTablesCannotGrow) {
  MustUpload("org/a", "main", {QuantizedSample(1)});
  for (int i = 0; i < 3; ++i) {
    {
      const FullDisk full(maker_.path() / "MANIFEST");
      EXPECT_THAT(store_->SetTag(Ref("org/a:main"), "x").status(),
                  StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(UploadSamples(store_.get(), "org/b", "main", {LargeSample(2)})
                      .status(),
                  StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_TRUE(Check("org/a:main").ok());
    }
    const std::string tag = "t" + std::to_string(i);
    EXPECT_TRUE(store_->SetTag(Ref("org/a:main"), tag).ok());
    MustUpload("org/c", "main", {LargeSample(5)}, 2);
    EXPECT_EQ(DataKeyCount(), 9 + kLargeSampleValues + 1);
    ASSERT_TRUE(store_->Delete(Ref("org/c:main")).ok());
  }
  EXPECT_TRUE(Collect().ok());
  Reopen();
  EXPECT_EQ(store_->sweep_report().object_count, 0u);
  EXPECT_EQ(store_->sweep_report().data_range_count, 0u);
  EXPECT_EQ(DataKeyCount(), 9);
  EXPECT_THAT(Check("org/a:x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_TRUE(Check("org/a:t2").ok());
}

TEST_F(FullDiskTest, ReclaimingNeedsSpaceOnlyForSharedFiles) {
  MustUpload("org/a", "main", {LargeSample(1)});
  MustUpload("org/a", "next", {PlainSample(2), PlainSample(3, 1 << 19)}, 2);
  MustUpload("org/a", "more", {PlainSample(3, 1 << 19)}, 3);
  // The delete's record is small; it must not be what fails here.
  const auto result = [&] {
    auto reader = store_->OpenRevision(Ref("org/a:next"));
    auto deleted = store_->Delete(Ref("org/a:next"));
    const FullDisk full(maker_.path());
    reader->reset();
    EXPECT_THAT(Collect(), StatusIs(absl::StatusCode::kResourceExhausted));
    return deleted;
  }();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(Check("org/a:more").ok());
  EXPECT_TRUE(Check("org/a:main").ok());
  EXPECT_TRUE(store_->Delete(Ref("org/a:main")).ok());
  // A tensor of two values and a file.
  EXPECT_EQ(DataKeyCount(), 3);
  Reopen();
  EXPECT_EQ(DataKeyCount(), 3);
  EXPECT_TRUE(Check("org/a:more").ok());
}

// The marks are in and the rewriting of what is left of a shared file fails,
// which is a failure in RocksDB's background.
TEST_F(FullDiskTest, CompactionFailsAndRecovers) {
  MustUpload("org/a", "next", {PlainSample(2), PlainSample(3, 1 << 19)}, 2);
  MustUpload("org/a", "more", {PlainSample(3, 1 << 19)}, 3);
  {
    // Tables of the database have numbers for names; the staging directory and
    // RocksDB's list of tables are not affected.
    const FullDisk full(maker_.path() / "0");
    const auto deleted = store_->Delete(Ref("org/a:next"));
    ASSERT_TRUE(deleted.ok()) << deleted.status();
    EXPECT_THAT(Collect(), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(Check("org/a:more").ok());
    EXPECT_THAT(Check("org/a:next"), StatusIs(absl::StatusCode::kNotFound));
  }
  EXPECT_TRUE(store_->SetTag(Ref("org/a:more"), "x").ok());
  MustUpload("org/b", "main", {LargeSample(5)}, 4);
  EXPECT_TRUE(Check("org/b:main").ok());
  ASSERT_TRUE(store_->Delete(Ref("org/b:main")).ok());
  // A tensor of two values and a file.
  EXPECT_EQ(DataKeyCount(), 3);
  Reopen();
  EXPECT_EQ(DataKeyCount(), 3);
  EXPECT_TRUE(Check("org/a:x").ok());
}

}  // namespace
}  // namespace qstore::storage
