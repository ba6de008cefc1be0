// What only the RocksDB engine does: files, locks, damage, native counters.
#include "storage/rocksdb/engine.h"

#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "base/failpoints/failpoint.h"
#include "storage/blobs/metered_blob_store.h"
#include "storage/records/keys.h"
#include "storage/rocksdb/figures.h"
#include "tests/storage/families.h"
#include "tests/storage/rocksdb/table_files.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RocksDbEngineTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    engine_ = {};
    engine_ = maker_.Open();
    ASSERT_NE(engine_.blobs, nullptr);
  }

  std::filesystem::path path() const { return maker_.path(); }

  static std::string Key(uint64_t id) { return DataKey{id, 0, 0}.Encode(); }

  // One value per id in one table file.
  absl::Status Ingest(const std::vector<uint64_t>& ids, size_t size,
                      Family family = kPlainFamily) {
    auto writer = engine_.blobs->NewBulkWriter();
    if (!writer.ok()) return writer.status();
    for (const uint64_t id : ids) {
      absl::Status status =
          (*writer)->Put(family, Key(id), PatternBytes(size, id));
      if (!status.ok()) return status;
    }
    return (*writer)->Ingest();
  }

  absl::Status Put(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.Put(key, value);
    return engine_.records->Commit(batch);
  }

  absl::Status Get(uint64_t id, Family family = kPlainFamily) {
    return engine_.blobs->Get(family, Key(id)).status();
  }

  // RocksDB's own manifest.
  static std::filesystem::path ManifestPath(
      const std::filesystem::path& directory) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().filename().string().starts_with("MANIFEST")) {
        return entry.path();
      }
    }
    ADD_FAILURE() << "no manifest in " << directory;
    return {};
  }
  uint64_t ManifestBytes() const {
    return std::filesystem::file_size(ManifestPath(path()));
  }

  Engine Metered() const {
    Engine metered = engine_;
    metered.blobs = NewMeteredBlobStore(engine_.blobs, meter_);
    return metered;
  }

  const std::shared_ptr<ReadMeter> meter_ = std::make_shared<ReadMeter>();
  RocksDbEngineMaker maker_;
  Engine engine_;
};

TEST_F(RocksDbEngineTest, SecondOpenSaysThatTheDirectoryIsInUse) {
  const absl::Status status = OpenRocksDbEngine(path(), {}).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, path().string()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("in use"));
}

TEST_F(RocksDbEngineTest, MissingParentIsNamed) {
  EXPECT_THAT(OpenRocksDbEngine(path() / "no" / "db", {}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       (path() / "no" / "db").string()));
}

TEST_F(RocksDbEngineTest, SweepsStagingOnlyWithTheLockHeld) {
  const auto stray = path() / "staging" / "17-plain.sst";
  std::ofstream(stray) << "left by a process that was killed";
  EXPECT_FALSE(OpenRocksDbEngine(path(), {}).ok());
  EXPECT_TRUE(std::filesystem::exists(stray));
  Open();
  EXPECT_FALSE(std::filesystem::exists(stray));
}

TEST_F(RocksDbEngineTest, IngestMovesFilesAndNeverRewritesThem) {
  ASSERT_TRUE(Ingest({1, 2, 3}, 1 << 20).ok());
  ASSERT_TRUE(Ingest({4, 5}, 1 << 20).ok());
  EXPECT_THAT(FilesWithExtension(path() / "staging", ".sst"), IsEmpty());
  const auto files = FilesWithExtension(path(), ".sst");
  EXPECT_THAT(files, SizeIs(2));
  Open();
  EXPECT_EQ(FilesWithExtension(path(), ".sst"), files);
}

TEST_F(RocksDbEngineTest, WholeFilesAreDeletedAndTheRestIsRewrittenOnce) {
  ASSERT_TRUE(Ingest({1, 2, 3}, 1 << 20).ok());
  ASSERT_TRUE(Ingest({10, 11, 12, 13}, 1 << 20).ok());
  ASSERT_TRUE(Ingest({20}, 1 << 20).ok());
  ASSERT_TRUE(engine_.blobs
                  ->DeleteRange(kPlainFamily, DataKeyBound(2), DataKeyBound(13))
                  .ok());
  for (const uint64_t id : {1, 13, 20}) EXPECT_TRUE(Get(id).ok()) << id;
  for (const uint64_t id : {2, 3, 10, 12}) {
    EXPECT_TRUE(absl::IsNotFound(Get(id))) << id;
  }
  EXPECT_LT(engine_.blobs->DiskBytes(), (3u << 20) + (1u << 19));
}

// Values larger than the whole block cache are read without a copy too: two
// pins of one value are the same memory.
TEST_F(RocksDbEngineTest, ReadsArePinnedNotCopied) {
  engine_ = {};
  auto engine = OpenRocksDbEngine(path(), {.block_cache_bytes = 64 << 10});
  ASSERT_TRUE(engine.ok());
  engine_ = *std::move(engine);
  ASSERT_TRUE(Ingest({1}, 4 << 20).ok());
  const auto first = engine_.blobs->Get(kPlainFamily, Key(1));
  const auto second = engine_.blobs->Get(kPlainFamily, Key(1));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->bytes().data(), second->bytes().data());
  // A pin also outlives the engine.
  engine_ = {};
  EXPECT_EQ(first->bytes()[12345], PatternBytes(4 << 20, 1)[12345]);
}

TEST_F(RocksDbEngineTest, FlippedBitInATableIsDataLossAndNamed) {
  ASSERT_TRUE(Ingest({1, 2, 3}, 100'000).ok());
  engine_ = {};
  FlipBitOnDisk(path(), PatternBytes(100'000, 2));
  Open();
  EXPECT_THAT(Get(2), StatusIs(absl::StatusCode::kDataLoss, "object 2"));
  EXPECT_TRUE(Get(1).ok());
  EXPECT_TRUE(Get(3).ok());
}

// Whatever bytes of values are damaged, a store can be opened, to say which and
// to serve the rest.
TEST_F(RocksDbEngineTest, LastKeyNeedsNoValue) {
  ASSERT_TRUE(Ingest({1, 2, 9}, 1000).ok());
  engine_ = {};
  FlipBitOnDisk(path(), PatternBytes(1000, 9));
  Open();
  EXPECT_THAT(Get(9), StatusIs(absl::StatusCode::kDataLoss));
  const auto last = engine_.blobs->LastKey(kPlainFamily);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(LeadingId(*last), 9u);
  EXPECT_TRUE(Get(1).ok());
}

// A compaction that met the damage would stop all writes; it is not begun.
TEST_F(RocksDbEngineTest, DeletingBesideDamageIsRefusedAndWritesGoOn) {
  ASSERT_TRUE(Ingest({1, 2, 3}, 100'000).ok());
  engine_ = {};
  FlipBitOnDisk(path(), PatternBytes(100'000, 2));
  Open();
  EXPECT_THAT(engine_.blobs->DeleteRange(kPlainFamily, DataKeyBound(3),
                                         DataKeyBound(4)),
              StatusIs(absl::StatusCode::kDataLoss, ".sst"));
  EXPECT_TRUE(Get(1).ok());
  EXPECT_TRUE(Put("k", "v").ok());
  EXPECT_TRUE(Ingest({9}, 1000).ok());
  // The whole file can go, and what the attempt before had marked.
  EXPECT_TRUE(
      engine_.blobs->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(4))
          .ok());
  EXPECT_TRUE(Get(9).ok());
  EXPECT_EQ(engine_.blobs->KeyRanges(kPlainFamily)->size(), 1u);
}

// A mark alone, which nothing has to be merged with, is no file that stays.
TEST_F(RocksDbEngineTest, MarksOfADeletionThatFailedGoToo) {
  ASSERT_TRUE(Ingest({1, 2, 3}, 1000).ok());
  ASSERT_TRUE(failpoint::Arm("range.marked=1*error(INTERNAL)").ok());
  EXPECT_FALSE(
      engine_.blobs->DeleteRange(kPlainFamily, DataKeyBound(2), DataKeyBound(3))
          .ok());
  failpoint::DisarmAll();
  EXPECT_TRUE(
      engine_.blobs->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(4))
          .ok());
  EXPECT_THAT(*engine_.blobs->KeyRanges(kPlainFamily), IsEmpty());
}

// RocksDB's manifest, the list of tables, decides what is there.
TEST_F(RocksDbEngineTest, DamageToTheListOfTablesIsNotPassedOver) {
  ASSERT_TRUE(Ingest({1, 2}, 1000).ok());
  ASSERT_TRUE(Put("k", "v").ok());
  TemporaryDirectory elsewhere;
  const auto copy = elsewhere.path() / "db";
  std::filesystem::copy(path(), copy, std::filesystem::copy_options::recursive);
  EXPECT_TRUE(OpenRocksDbEngine(copy, {}).ok());
  std::filesystem::remove_all(copy);
  std::filesystem::copy(path(), copy, std::filesystem::copy_options::recursive);
  std::string bytes = FileBytes(ManifestPath(copy));
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(ManifestPath(copy), std::ios::binary) << bytes;
  EXPECT_THAT(OpenRocksDbEngine(copy, {}).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

// A crash may cut the list anywhere in an entry that was not acknowledged.
TEST_F(RocksDbEngineTest, TornEndOfTheListOfTablesIsDropped) {
  ASSERT_TRUE(Put("first", std::string(1000, 'a')).ok());
  const uint64_t first_bytes = ManifestBytes();
  ASSERT_TRUE(Put("second", std::string(1000, 'b')).ok());
  const uint64_t second_bytes = ManifestBytes();
  ASSERT_GT(second_bytes, first_bytes);
  for (uint64_t cut = first_bytes; cut < second_bytes; cut += 7) {
    TemporaryDirectory elsewhere;
    const auto copy = elsewhere.path() / "db";
    std::filesystem::copy(path(), copy,
                          std::filesystem::copy_options::recursive);
    std::filesystem::resize_file(ManifestPath(copy), cut);
    const auto engine = OpenRocksDbEngine(copy, {});
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_TRUE(engine->records->Get("first").ok());
    EXPECT_TRUE(absl::IsNotFound(engine->records->Get("second").status()));
  }
}

// The promise that INT8 readers touch no residual, by RocksDB's own figures.
TEST_F(RocksDbEngineTest, Int8ReadersTouchNoResidual) {
  auto store = ModelStore::Open(Metered());
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE(UploadSamples(store->get(), "org/m", "main",
                            {QuantizedSample(1), QuantizedSample(2)})
                  .ok());
  // Nothing is cached in a new process.
  store->reset();
  Open();
  store = ModelStore::Open(Metered());
  ASSERT_TRUE(store.ok());
  auto reader = (*store)->OpenRevision(Ref("org/m:main"));
  ASSERT_TRUE(reader.ok());
  std::vector<model::Object> objects;
  for (const StoredSegment& segment : (*reader)->revision().files[0].segments) {
    auto object = (*reader)->GetObject(segment.object_id);
    ASSERT_TRUE(object.ok());
    objects.push_back(*std::move(object));
  }
  const RocksDbFigures before = ReadRocksDbFigures(engine_);
  const uint64_t int8_before = meter_->values(kInt8Family).keys;
  for (const model::Object& object : objects) {
    for (size_t i = 0; i < object.chunks.size(); ++i) {
      const model::Chunk& chunk = object.chunks[i];
      const uint32_t layer_count = model::LayerCountOf(chunk, {.layer = 1});
      for (const model::ValueAddress& value :
           model::ValuesOf(chunk, layer_count)) {
        ASSERT_TRUE((*reader)
                        ->GetValue(object.id, static_cast<uint32_t>(i), value)
                        .ok());
      }
    }
  }
  const RocksDbFigures between = ReadRocksDbFigures(engine_);
  EXPECT_EQ(between.keys_read - before.keys_read, 4u);
  EXPECT_EQ(meter_->values(kInt8Family).keys - int8_before, 4u);
  EXPECT_EQ(meter_->values(kResidualFamily).keys, 0u);
  EXPECT_GE(between.file_reads[1] - before.file_reads[1], 4u);
  EXPECT_EQ(between.file_reads[2], before.file_reads[2]);
  // The same figures do move when the residual is read.
  ASSERT_TRUE(ReadAllValues(reader->get()).ok());
  const RocksDbFigures after = ReadRocksDbFigures(engine_);
  EXPECT_EQ(meter_->values(kResidualFamily).keys, 12u);
  EXPECT_GE(after.file_reads[2] - between.file_reads[2], 12u);
}

// A limit on the size of files stands for a quota: another errno than that of
// a full disk (see full_disk_test.cc).
TEST_F(RocksDbEngineTest, FileSizeLimitIsResourceExhausted) {
  std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_TRUE(Ingest({1}, 3 << 20).ok());
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limited = before;
  limited.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const absl::Status status = Ingest({2}, 4 << 20);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(Get(1).ok());
  EXPECT_TRUE(Ingest({3}, 4 << 20).ok());
  EXPECT_THAT(FilesWithExtension(path() / "staging", ".sst"), IsEmpty());
}

TEST_F(RocksDbEngineTest, DeleteRangeDoesNotHoldUpReadersOfOtherRanges) {
  std::vector<uint64_t> ids;
  for (uint64_t id = 1; id <= 64; ++id) ids.push_back(id);
  ASSERT_TRUE(Ingest(ids, 1 << 20).ok());
  std::atomic<bool> deleting = true;
  std::atomic<int> reads = 0;
  std::thread reader([&] {
    while (deleting) {
      EXPECT_TRUE(Get(64).ok());
      ++reads;
    }
  });
  const int before = reads;
  EXPECT_TRUE(engine_.blobs
                  ->DeleteRange(kPlainFamily, DataKeyBound(1), DataKeyBound(60))
                  .ok());
  const int during = reads - before;
  deleting = false;
  reader.join();
  EXPECT_GT(during, 0);
  // The last read may have kept the old file; the next deletion sees to it.
  EXPECT_TRUE(
      engine_.blobs->DeleteRange(kPlainFamily, "", DataKeyBound(1)).ok());
  EXPECT_LT(engine_.blobs->DiskBytes(), 6u << 20);
}

}  // namespace
}  // namespace qstore::storage
