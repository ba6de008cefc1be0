#include "storage/rocksdb/table_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include "storage/rocksdb/staged_table_file.h"
#include "tests/storage/engine_fixture.h"
#include "tests/storage/rocksdb/table_files.h"

namespace qstore::storage {
namespace {

// The block of properties begins with the lengths of this key, its first, and
// ends with a number of restarts u32; the next block, after five bytes of type
// and checksum, begins in the same way.
constexpr char kFirstProperty[] = "rocksdb.block.based.table.index.type";
constexpr char kFirstOfNextBlock[] = "fullfilter.";
constexpr size_t kLengthsBytes = 3;
constexpr size_t kTrailerBytes = 5;

absl::StatusOr<uint64_t> DataBytes(const std::string& table) {
  return CheckTableProperties(
      [&table](uint64_t offset_bytes,
               uint64_t size_bytes) -> absl::StatusOr<std::string> {
        if (offset_bytes > table.size()) return std::string();
        return table.substr(offset_bytes, size_bytes);
      },
      table.size());
}

absl::Status Check(const std::string& table) {
  return DataBytes(table).status();
}

class TableCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Engine engine = maker_.Open();
    ASSERT_NE(engine.records, nullptr);
    WriteBatch batch;
    batch.Put("key", "value");
    ASSERT_TRUE(engine.records->Commit(batch).ok());
    engine = {};
    const auto paths = FilesWithExtension(maker_.path(), ".sst");
    ASSERT_EQ(paths.size(), 1u);
    path_ = paths.front();
    table_ = FileBytes(path_);
    begin_ = table_.find(kFirstProperty) - kLengthsBytes;
    end_ = table_.rfind(kFirstOfNextBlock) - kLengthsBytes;
    ASSERT_LT(begin_ + 200, end_);
    ASSERT_LT(end_, table_.size());
  }

  std::string Flipped(size_t at, uint8_t mask = 1) const {
    std::string flipped = table_;
    flipped[at] = static_cast<char>(flipped[at] ^ mask);
    return flipped;
  }

  RocksDbEngineMaker maker_;
  std::filesystem::path path_;
  std::string table_;
  size_t begin_ = 0;  // of the properties, in table_
  size_t end_ = 0;    // of their trailer
};

TEST_F(TableCheckTest, SaysWhereTheValuesEnd) {
  const auto data_bytes = DataBytes(table_);
  ASSERT_TRUE(data_bytes.ok()) << data_bytes.status();
  EXPECT_GT(*data_bytes, table_.find("value"));
  EXPECT_LT(*data_bytes, begin_);
}

// What RocksDB reads as it ingests a table is in memory once it is open.
TEST_F(TableCheckTest, TheEndsOfAStagedTableAreReadAsItIsOpened) {
  const auto system = rocksdb::FileSystem::Default();
  const auto open = [&](uint64_t size_bytes,
                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file) {
    EXPECT_TRUE(
        system->NewRandomAccessFile(path_.string(), {}, file, nullptr).ok());
    return OpenStagedTable(*DataBytes(table_), size_bytes, {}, nullptr, file);
  };
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  ASSERT_TRUE(open(table_.size(), &file).ok());
  // Nothing is left to read.
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  std::string scratch(table_.size(), '\0');
  for (size_t begin = 0; begin < table_.size(); begin += 7) {
    rocksdb::Slice found;
    const size_t size = std::min<size_t>(100, table_.size() - begin);
    ASSERT_TRUE(
        file->Read(begin, size, {}, &found, scratch.data(), nullptr).ok());
    EXPECT_EQ(found.ToString(), table_.substr(begin, size));
  }
}

TEST_F(TableCheckTest, AcceptsAWholeTable) {
  EXPECT_TRUE(Check(table_).ok()) << Check(table_);
}

TEST_F(TableCheckTest, FindsEachChangedByteOfTheProperties) {
  for (size_t at = begin_; at < end_; ++at) {
    EXPECT_TRUE(absl::IsDataLoss(Check(Flipped(at)))) << at;
    EXPECT_TRUE(absl::IsDataLoss(Check(Flipped(at, 0x80)))) << at;
  }
}

// Other damage is RocksDB's to find, but must not do harm here.
TEST_F(TableCheckTest, SurvivesOtherDamage) {
  for (size_t at = 0; at < begin_; ++at) {
    EXPECT_TRUE(Check(Flipped(at)).ok()) << at;
  }
  for (size_t at = end_; at < table_.size(); ++at) {
    for (int mask = 1; mask < 256; ++mask) {
      const absl::Status status =
          Check(Flipped(at, static_cast<uint8_t>(mask)));
      EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
    }
  }
  for (size_t size = 0; size < table_.size(); ++size) {
    const absl::Status status = Check(table_.substr(0, size));
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
}

// The bit that ends the process where RocksDB has assertions.
TEST_F(TableCheckTest, TheEngineReportsWhatRocksDbWouldAbortOn) {
  const size_t last_of_restarts = end_ - kTrailerBytes - 1;
  std::ofstream(path_, std::ios::binary) << Flipped(last_of_restarts, 0x80);
  const auto engine = OpenRocksDbEngine(maker_.path(), {});
  EXPECT_TRUE(absl::IsDataLoss(engine.status())) << engine.status();
  EXPECT_THAT(std::string(engine.status().message()),
              ::testing::HasSubstr(path_.filename().native()));
}

}  // namespace
}  // namespace qstore::storage
