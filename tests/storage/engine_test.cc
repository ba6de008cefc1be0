// What the two stores of an engine have in common: copies of both.
#include "storage/engine.h"

#include <gmock/gmock.h>

#include "storage/records/keys.h"
#include "tests/storage/engine_fixture.h"
#include "tests/storage/families.h"

namespace qstore::storage {
namespace {

// Only engines that keep files can be copied.
class EngineTest : public ::testing::Test {
 protected:
  static void IngestObject(const Engine& engine, uint64_t id, Family family) {
    auto writer = engine.blobs->NewBulkWriter();
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(
        (*writer)
            ->Put(family, DataKey{id, 0, 0}.Encode(), PatternBytes(100'000, id))
            .ok());
    ASSERT_TRUE((*writer)->Ingest().ok());
  }
  static bool HasObject(const Engine& engine, uint64_t id, Family family) {
    const auto value = engine.blobs->Get(family, DataKey{id, 0, 0}.Encode());
    return value.ok() && AsStringView(value->bytes()) ==
                             AsStringView(PatternBytes(100'000, id));
  }
  static absl::Status Delete(const Engine& engine, uint64_t id, Family family) {
    return engine.blobs->DeleteRange(family, DataKeyBound(id),
                                     DataKeyBound(id + 1));
  }
  static absl::Status Put(const Engine& engine, const std::string& key) {
    WriteBatch batch;
    batch.Put(key, "1");
    return engine.records->Commit(batch);
  }

  RocksDbEngineMaker maker_;
};

// A copy holds what was there at its moment, whatever happens to the original.
TEST_F(EngineTest, CopyIsAnEngineOfItsOwn) {
  const Engine engine = maker_.Open();
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "copy";
  IngestObject(engine, 1, kInt8Family);
  IngestObject(engine, 2, kPlainFamily);
  ASSERT_TRUE(Put(engine, "before").ok());
  const absl::Status status = engine.checkpoint(path);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(Delete(engine, 1, kInt8Family).ok());
  ASSERT_TRUE(Put(engine, "after").ok());

  const absl::StatusOr<Engine> copy = OpenRocksDbEngine(path, {});
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_TRUE(HasObject(*copy, 1, kInt8Family));
  EXPECT_TRUE(HasObject(*copy, 2, kPlainFamily));
  EXPECT_TRUE(copy->records->Get("before").ok());
  EXPECT_TRUE(absl::IsNotFound(copy->records->Get("after").status()));
  // What the copy deletes, the original keeps.
  ASSERT_TRUE(Delete(*copy, 2, kPlainFamily).ok());
  EXPECT_TRUE(HasObject(engine, 2, kPlainFamily));
  EXPECT_FALSE(HasObject(engine, 1, kInt8Family));
}

TEST_F(EngineTest, CopyThatFailsLeavesNothing) {
  const Engine engine = maker_.Open();
  const TemporaryDirectory directory;
  IngestObject(engine, 1, kPlainFamily);
  EXPECT_FALSE(engine.checkpoint(directory.path() / "absent" / "copy").ok());
  EXPECT_FALSE(engine.checkpoint(directory.path()).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_TRUE(HasObject(engine, 1, kPlainFamily));
}

TEST_F(EngineTest, MemoryKeepsNoFiles) {
  EXPECT_EQ(MemoryEngineMaker().Open().checkpoint, nullptr);
}

}  // namespace
}  // namespace qstore::storage
