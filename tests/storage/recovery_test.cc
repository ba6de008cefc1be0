// Processes that are killed, refused and doubtful commits, damaged records.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>

#include "base/failpoints/failpoint.h"
#include "storage/records/keys.h"
#include "storage/records/record_table.h"
#include "storage/records/records.h"
#include "tests/storage/families.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::IsEmpty;

class KilledProcessTest : public StoreTest<RocksDbEngineMaker> {
 protected:
  // Closes the store, lets a child run `work` on it until it calls kill(), and
  // opens the store again.
  void RunKilled(const std::function<void(ModelStore*)>& work) {
    Close();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto engine = OpenRocksDbEngine(maker_.path(), {});
      if (!engine.ok()) ::_exit(3);
      auto store = ModelStore::Open(*std::move(engine));
      if (!store.ok()) ::_exit(4);
      work(store->get());
      ::_exit(5);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
    Reopen();
  }

  static void Kill() { ::kill(::getpid(), SIGKILL); }
};

TEST_F(KilledProcessTest, MidUploadLeavesNothing) {
  MustUpload("org/a", "main", {QuantizedSample(1)});
  RunKilled([](ModelStore* store) {
    auto upload = store->BeginUpload("org/b");
    if (!upload.ok()) return;
    // One object ingested, one in a shared table, one in mid-write.
    if (!AddSample(upload->get(), LargeSample(2)).ok()) return;
    if (!AddSample(upload->get(), PlainSample(3)).ok()) return;
    auto writer = (*upload)->AddObject();
    if (!writer.ok()) return;
    const SampleObject large = LargeSample(4);
    for (const auto& chunk : large.chunks) {
      if (!(*writer)->AddChunk(chunk.chunk, chunk.to_store()).ok()) return;
    }
    Kill();
  });
  EXPECT_EQ(store_->sweep_report().object_count, 1u);
  EXPECT_GT(store_->sweep_report().reclaimed_bytes, 8u << 20);
  EXPECT_TRUE(store_->sweep_report().problem.ok());
  EXPECT_EQ(DataKeyCount(), 9);
  EXPECT_TRUE(Check("org/a:main").ok());
  EXPECT_THAT(Check("org/b:main"), StatusIs(absl::StatusCode::kNotFound));
  MustUpload("org/b", "main", {LargeSample(2), PlainSample(3)});
  EXPECT_TRUE(Check("org/b:main").ok());
}

// Between any two steps of a checkpoint: what it remembers is there or nothing
// is, never half of it.
TEST_F(KilledProcessTest, InACheckpoint) {
  for (const char* step :
       {"checkpoint.begin", "checkpoint.records", "checkpoint.written"}) {
    RunKilled([step](ModelStore* store) {
      auto upload = store->BeginUpload("org/b");
      if (!upload.ok()) return;
      if (!AddSample(upload->get(), LargeSample(2)).ok()) return;
      const int64_t expiry = static_cast<int64_t>(std::time(nullptr)) + 100;
      if (!(*upload)->Checkpoint("first", expiry).ok()) return;
      if (!AddSample(upload->get(), PlainSample(3)).ok()) return;
      if (!failpoint::Arm(std::string(step) + "=crash").ok()) return;
      (*upload)->Checkpoint("second", expiry).IgnoreError();
    });
    const bool second = step == std::string("checkpoint.written");
    EXPECT_TRUE(store_->sweep_report().problem.ok());
    EXPECT_EQ(DataKeyCount(), kLargeSampleValues + (second ? 1 : 0)) << step;
    std::vector<UnfinishedUpload> unfinished = store_->TakeUnfinishedUploads();
    ASSERT_EQ(unfinished.size(), 1u) << step;
    EXPECT_EQ(unfinished[0].payload, second ? "second" : "first") << step;
    EXPECT_TRUE(unfinished[0]
                    .upload->FindObject(LargeSample(2).content_hash())
                    ->has_value());
    unfinished.clear();
    EXPECT_EQ(DataKeyCount(), 0) << step;
  }
}

TEST_F(KilledProcessTest, AfterCommitNothingIsLost) {
  RunKilled([](ModelStore* store) {
    if (!UploadSamples(store, "org/a", "main", {QuantizedSample(1)}).ok()) {
      return;
    }
    if (!UploadSamples(store, "org/b", "main", {LargeSample(2)}).ok()) return;
    if (!store->SetTag(Ref("org/b:main"), "prod").ok()) return;
    Kill();
  });
  EXPECT_EQ(store_->sweep_report().object_count, 0u);
  EXPECT_EQ(store_->sweep_report().data_range_count, 0u);
  EXPECT_TRUE(Check("org/a:main").ok());
  EXPECT_TRUE(Check("org/b:prod").ok());
}

// Dies between the record that deletes a revision and the deletion of its data,
// at each step of the collection.
TEST_F(KilledProcessTest, MidDeleteIsFinishedByTheNextProcess) {
  for (const Faults::Call call :
       {Faults::Call::kCommit, Faults::Call::kDeleteRange}) {
    MustUpload("org/a", "main", {QuantizedSample(1)});
    MustUpload("org/b", "main", {LargeSample(2), PlainSample(3)});
    Close();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Reopen();
      auto reader = store_->OpenRevision(Ref("org/b:main"));
      if (!store_->Delete(Ref("org/b:main")).ok()) ::_exit(3);
      // The collection begins when the reader goes; such a call of it fails,
      // and the process ends there.
      faults_->FailAll(call, absl::AbortedError("killed here"));
      reader->reset();
      if (!absl::IsAborted(Collect())) ::_exit(4);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    Reopen();
    const SweepReport& report = store_->sweep_report();
    EXPECT_GT(report.object_count + report.data_range_count, 0u);
    EXPECT_TRUE(report.problem.ok()) << report.problem;
    EXPECT_THAT(Check("org/b:main"), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_TRUE(Check("org/a:main").ok());
    EXPECT_EQ(DataKeyCount(), 9);
  }
}

// At random moments: an acknowledged revision is whole, others are invisible.
TEST_F(KilledProcessTest, AtRandomMoments) {
  std::minstd_rand random(7);
  for (int round = 0; round < 8; ++round) {
    Close();
    int acknowledged[2] = {};
    ASSERT_EQ(::pipe(acknowledged), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Reopen();
      for (uint8_t i = 0; i < 200; ++i) {
        const uint64_t seed = 1000 * static_cast<uint64_t>(round) + i;
        const auto result = UploadSamples(
            store_.get(), "org/m" + std::to_string(i % 5),
            "t" + std::to_string(i),
            {QuantizedSample(seed), PlainSample(seed), OpaqueSample(seed)},
            seed);
        if (!result.ok()) ::_exit(3);
        if (::write(acknowledged[1], &i, 1) != 1) ::_exit(4);
      }
      ::_exit(5);
    }
    ::close(acknowledged[1]);
    // Wait for the first, so that the kill falls into the work.
    uint8_t last = 0;
    int count = static_cast<int>(::read(acknowledged[0], &last, 1));
    ::usleep(static_cast<useconds_t>(random() % 100'000));
    ::kill(child, SIGKILL);
    uint8_t next = 0;
    while (::read(acknowledged[0], &next, 1) == 1) {
      last = next;
      ++count;
    }
    ::close(acknowledged[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    ASSERT_GT(count, 0);
    Reopen();
    EXPECT_TRUE(store_->sweep_report().problem.ok());
    for (int i = 0; i <= last; ++i) {
      const std::string name =
          "org/m" + std::to_string(i % 5) + ":t" + std::to_string(i);
      EXPECT_TRUE(Check(name).ok()) << name;
    }
    // Whatever else is visible is whole as well.
    const auto models = store_->ListModels();
    ASSERT_TRUE(models.ok());
    for (const ModelSummary& model : *models) {
      for (const std::string& revision : model.revisions) {
        EXPECT_TRUE(Check(model.name + "@" + revision).ok());
        ASSERT_TRUE(store_->Delete(Ref(model.name + "@" + revision)).ok());
      }
    }
    EXPECT_EQ(DataKeyCount(), 0);
  }
}

template <typename Maker>
class RefusedCommitTest : public StoreTest<Maker> {};
TYPED_TEST_SUITE(RefusedCommitTest, Makers);

TYPED_TEST(RefusedCommitTest, NothingRemains) {
  this->MustUpload("org/a", "main", {QuantizedSample(1)});
  const int records = this->RecordCount();
  for (const Faults::Call call :
       {Faults::Call::kCommit, Faults::Call::kIngest, Faults::Call::kBulkPut}) {
    this->faults_->FailNth(call, 1, absl::ResourceExhaustedError("full"));
    EXPECT_THAT(UploadSamples(this->store_.get(), "org/b", "main",
                              {LargeSample(2), PlainSample(3)})
                    .status(),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(this->Check("org/b:main"),
                StatusIs(absl::StatusCode::kNotFound));
    EXPECT_EQ(this->DataKeyCount(), 9);
  }
  // The next id is recorded by now.
  EXPECT_EQ(this->RecordCount(), records);
  this->MustUpload("org/b", "main", {LargeSample(2), PlainSample(3)});
  this->Reopen();
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

// An engine may say that a batch failed and yet have it after a crash. Until a
// later batch has settled the matter, no data is deleted.
TYPED_TEST(RefusedCommitTest, CommitInDoubtIsEitherWholeOrUndone) {
  this->faults_->FailNth(Faults::Call::kCommit, 1,
                         absl::UnavailableError("who knows"),
                         Faults::Effect::kTaken);
  EXPECT_THAT(UploadSamples(this->store_.get(), "org/b", "main",
                            {LargeSample(2), PlainSample(3)})
                  .status(),
              StatusIs(absl::StatusCode::kUnavailable));
  const absl::Status status = this->Check("org/b:main");
  EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
  this->Reopen();
  const absl::Status after = this->Check("org/b:main");
  EXPECT_EQ(after.code(), status.code());
  EXPECT_TRUE(this->store_->sweep_report().problem.ok());
}

TYPED_TEST(RefusedCommitTest, IngestInDoubtIsCollected) {
  this->faults_->FailNth(Faults::Call::kIngest, 1,
                         absl::UnavailableError("who knows"),
                         Faults::Effect::kTaken);
  EXPECT_FALSE(
      UploadSamples(this->store_.get(), "org/b", "main", {LargeSample(2)})
          .ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
  this->MustUpload("org/b", "main", {LargeSample(2)});
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

template <typename Maker>
class DamageTest : public StoreTest<Maker> {
 protected:
  // Keys of the manifest that start with `prefix`.
  std::vector<std::string> Keys(const std::string& prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(this->engine_.records
                    ->Scan(prefix, PrefixEnd(prefix),
                           [&keys](std::string_view key, ByteView) {
                             keys.emplace_back(key);
                             return true;
                           })
                    .ok());
    return keys;
  }
  void Overwrite(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.Put(key, value);
    ASSERT_TRUE(this->engine_.records->Commit(batch).ok());
  }
  std::string Value(const std::string& key) {
    const auto value = this->engine_.records->Get(key);
    EXPECT_TRUE(value.ok());
    return std::string(AsStringView(value->bytes()));
  }
};
TYPED_TEST_SUITE(DamageTest, Makers);

TYPED_TEST(DamageTest, FlippedValueIsDataLossThatNamesIt) {
  this->MustUpload("org/m", "main", {QuantizedSample(1), PlainSample(2)});
  for (const auto& [family, name] :
       {std::pair(kInt8Family, "int8: object"),
        std::pair(kResidualFamily, "residual: object"),
        std::pair(kPlainFamily, "plain: object")}) {
    this->faults_->DamageReads(family);
    EXPECT_THAT(this->Check("org/m:main"),
                StatusIs(absl::StatusCode::kDataLoss, name));
    this->faults_->Heal();
    EXPECT_TRUE(this->Check("org/m:main").ok());
  }
}

TYPED_TEST(DamageTest, EveryDamagedRecordIsDataLossNotACrash) {
  this->MustUpload("org/m", "main", {QuantizedSample(1)});
  for (const char* prefix : {"r/", "o/", "l/", "t/"}) {
    for (const std::string& key : this->Keys(prefix)) {
      const std::string whole = this->Value(key);
      // The newest object's record is of config.json.
      std::vector<std::string> damaged = {"", "x", whole.substr(1), whole + "x",
                                          std::string(9, '\0')};
      for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 16) {
        damaged.push_back(whole);
        damaged.back()[at] ^= 1;
      }
      for (const std::string& value : damaged) {
        this->Overwrite(key, value);
        const absl::Status status = this->Check("org/m:main");
        if (key[0] == 'l') {
          EXPECT_THAT(this->store_->ListModels().status(),
                      StatusIs(absl::StatusCode::kDataLoss));
        } else {
          EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss)) << key;
        }
      }
      this->Overwrite(key, whole);
      EXPECT_TRUE(this->Check("org/m:main").ok());
    }
  }
}

// A record in another's place is whole, and yet wrong.
TYPED_TEST(DamageTest, MisplacedRecordIsDataLoss) {
  const std::string one = this->MustUpload("org/m", "a", {PlainSample(1)});
  const std::string two = this->MustUpload("org/m", "b", {PlainSample(2)});
  this->Overwrite(RevisionKey("org/m", one),
                  this->Value(RevisionKey("org/m", two)));
  EXPECT_THAT(this->Check("org/m:a"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(this->Check("org/m:b").ok());
}

TYPED_TEST(DamageTest, DamagedRevisionCanBeDeleted) {
  const std::string id =
      this->MustUpload("org/m", "main", {QuantizedSample(1), LargeSample(2)});
  this->Overwrite(RevisionKey("org/m", id), "gone");
  EXPECT_THAT(this->Check("org/m:main"), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
  EXPECT_EQ(this->DataKeyCount(), 0);
  EXPECT_EQ(this->RecordCount(), 2);
}

// A new upload stores again what has a damaged record.
TYPED_TEST(DamageTest, ObjectWithADamagedRecordIsStoredAgain) {
  this->MustUpload("org/a", "main", {PlainSample(1)});
  this->Overwrite(this->Keys("o/").front(), "gone");
  this->MustUpload("org/b", "main", {PlainSample(1)});
  EXPECT_TRUE(this->Check("org/b:main").ok());
  EXPECT_THAT(this->Check("org/a:main"), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(this->store_->Delete(Ref("org/a:main")).ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
  EXPECT_EQ(this->DataKeyCount(), 2);
}

// Uploading again repairs: what was found to be damaged is not used any more.
TYPED_TEST(DamageTest, UploadAfterDamageStoresAnewAndReplaces) {
  const std::vector<SampleObject> samples = {QuantizedSample(1),
                                             PlainSample(2)};
  const std::string id = this->MustUpload("org/a", "main", samples);
  this->MustUpload("org/b", "main", samples);
  const auto ids = [this](const char* name) {
    auto reader = this->store_->OpenRevision(Ref(name));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return ObjectIdsOf((*reader)->revision());
  };
  const std::set<uint64_t> damaged_ids = ids("org/a:main");
  const int keys = this->DataKeyCount();
  this->faults_->DamageReads(kResidualFamily);
  EXPECT_THAT(this->Check("org/a:main"), StatusIs(absl::StatusCode::kDataLoss));
  this->faults_->Heal();
  // The finding outlives the process that made it.
  this->Reopen();
  const auto again =
      UploadSamples(this->store_.get(), "org/a", "main", samples);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->created);
  EXPECT_EQ(again->revision.revision, id);
  std::set<uint64_t> fresh = ids("org/a:main");
  std::erase_if(fresh, [&](uint64_t one) { return damaged_ids.contains(one); });
  EXPECT_EQ(fresh.size(), 1u);
  EXPECT_GT(this->DataKeyCount(), keys);
  // org/b still uses the damaged one, until it is uploaded again too.
  EXPECT_EQ(ids("org/b:main"), damaged_ids);
  this->MustUpload("org/b", "main", samples);
  EXPECT_EQ(ids("org/b:main"), ids("org/a:main"));
  EXPECT_EQ(this->DataKeyCount(), keys);
  EXPECT_EQ(this->store_->ListModels()->front().revisions.size(), 1u);
  this->Reopen();
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_TRUE(this->Check("org/a:main").ok());
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

TYPED_TEST(DamageTest, UploadReplacesADamagedRevisionRecord) {
  const std::string id = this->MustUpload("org/m", "main", {PlainSample(1)});
  const int keys = this->DataKeyCount();
  this->Overwrite(RevisionKey("org/m", id), "gone");
  EXPECT_THAT(this->Check("org/m:main"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(this->MustUpload("org/m", "main", {PlainSample(1)}), id);
  EXPECT_TRUE(this->Check("org/m:main").ok());
  EXPECT_EQ(this->DataKeyCount(), keys);
}

// Damage that is found while an upload counts on the object.
TYPED_TEST(DamageTest, CommitRefusesObjectsFoundDamagedMeanwhile) {
  this->MustUpload("org/a", "main", {PlainSample(1)});
  {
    auto upload = this->store_->BeginUpload("org/b");
    ASSERT_TRUE(upload.ok());
    auto draft = DraftOf(upload->get(), "org/b", {PlainSample(1)}, 1);
    ASSERT_TRUE(draft.ok()) << draft.status();
    this->faults_->DamageReads(kPlainFamily);
    EXPECT_FALSE(this->Check("org/a:main").ok());
    this->faults_->Heal();
    EXPECT_THAT((*upload)->Commit(*std::move(draft), "main").status(),
                StatusIs(absl::StatusCode::kDataLoss, "upload again"));
  }
  this->MustUpload("org/b", "main", {PlainSample(1)});
  EXPECT_TRUE(this->Check("org/b:main").ok());
}

TYPED_TEST(DamageTest, FormatVersionsAreChecked) {
  this->MustUpload("org/m", "main", {PlainSample(1)});
  const auto open = [this] {
    this->Close();
    return ModelStore::Open(this->maker_.Open()).status();
  };
  this->Overwrite(FormatVersionKey(), "3");
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               "version 3; this build reads 2: use the build "
                               "that wrote it"));
  {
    WriteBatch batch;
    batch.Put(FormatVersionKey(), "1");
    ASSERT_TRUE(this->maker_.Open().records->Commit(batch).ok());
  }
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               "version 1; this build reads 2: to carry it "
                               "over, serve it with the build that wrote it"));
  {
    WriteBatch batch;
    batch.Put(FormatVersionKey(), "one");
    ASSERT_TRUE(this->maker_.Open().records->Commit(batch).ok());
  }
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss, "version"));
  {
    WriteBatch batch;
    batch.Delete(FormatVersionKey());
    ASSERT_TRUE(this->maker_.Open().records->Commit(batch).ok());
  }
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               "no format version"));
}

// Data without records: what an ingest leaves whose records were lost.
TYPED_TEST(DamageTest, StrayDataIsSweptAtOpen) {
  this->MustUpload("org/m", "main", {QuantizedSample(1), PlainSample(2)});
  const int keys = this->DataKeyCount();
  auto writer = this->engine_.blobs->NewBulkWriter();
  ASSERT_TRUE(writer.ok());
  for (const uint64_t id : {5000, 5001, 7000}) {
    ASSERT_TRUE((*writer)
                    ->Put(kPlainFamily, DataKey{id, 0, 0}.Encode(),
                          PatternBytes(1 << 20, id))
                    .ok());
  }
  ASSERT_TRUE((*writer)
                  ->Put(kResidualFamily, DataKey{5000, 0, 3}.Encode(),
                        PatternBytes(100, 1))
                  .ok());
  ASSERT_TRUE((*writer)->Ingest().ok());
  this->Reopen();
  EXPECT_EQ(this->DataKeyCount(), keys);
  EXPECT_EQ(this->store_->sweep_report().object_count, 0u);
  EXPECT_GE(this->store_->sweep_report().data_range_count, 2u);
  EXPECT_GT(this->store_->sweep_report().reclaimed_bytes, 5u << 19);
  EXPECT_TRUE(this->Check("org/m:main").ok());
  // Ids of swept data are not given again.
  auto upload = this->store_->BeginUpload("org/n");
  ASSERT_TRUE(upload.ok());
  EXPECT_GT(*AddSample(upload->get(), PlainSample(9)), 7000u);
}

}  // namespace
}  // namespace qstore::storage
