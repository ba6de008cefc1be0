#include "storage/database_log.h"

#include <filesystem>
#include <vector>

#include "tests/storage/store_fixture.h"
#include "tests/storage/table_files.h"

namespace qstore::storage {
namespace {

class DatabaseLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ModelStore::Open(maker_.Open());
    ASSERT_TRUE(store.ok()) << store.status();
    for (uint64_t seed = 0; seed < 4; ++seed) {
      ASSERT_TRUE(UploadSamples(store->get(), "org/m", "main",
                                {QuantizedSample(seed), PlainSample(seed)})
                      .ok());
    }
    store->reset();
    std::string name = FileBytes(maker_.path() / "CURRENT");
    name.pop_back();
    path_ = maker_.path() / name;
    bytes_ = FileBytes(path_);
    for (size_t at = 0; at < bytes_.size(); at += 7 + LengthAt(at)) {
      records_.push_back(at);
    }
    ASSERT_GT(records_.size(), 8u);
  }

  size_t LengthAt(size_t at) const {
    return static_cast<uint8_t>(bytes_[at + 4]) |
           static_cast<uint8_t>(bytes_[at + 5]) << 8;
  }

  RocksDbEngineMaker maker_;
  std::filesystem::path path_;
  std::string bytes_;
  std::vector<size_t> records_;
};

TEST_F(DatabaseLogTest, WholeOrTornAtAnyByteIsFine) {
  EXPECT_TRUE(CheckDatabaseLog(maker_.path()).ok());
  for (size_t size = 0; size <= bytes_.size(); ++size) {
    EXPECT_TRUE(CheckDatabaseLogBytes(AsBytes(bytes_.substr(0, size))).ok())
        << size;
  }
  EXPECT_TRUE(CheckDatabaseLog(maker_.path() / "absent").ok());
}

// What else changes in a header, RocksDB's own checksum finds.
TEST_F(DatabaseLogTest, HeaderThatReadsAsATornEndIsFound) {
  int found = 0;
  for (const size_t at : records_) {
    for (const size_t byte : {4, 5, 6}) {
      for (int mask = 1; mask < 256; ++mask) {
        std::string changed = bytes_;
        changed[at + byte] = static_cast<char>(changed[at + byte] ^ mask);
        const auto type = static_cast<uint8_t>(changed[at + 6]);
        const size_t end = at + 7 + static_cast<uint8_t>(changed[at + 4]) +
                           (static_cast<uint8_t>(changed[at + 5]) << 8);
        if (type >= 1 && type <= 4 && end <= bytes_.size()) continue;
        ++found;
        EXPECT_THAT(CheckDatabaseLogBytes(AsBytes(changed)),
                    StatusIs(absl::StatusCode::kDataLoss,
                             "byte " + std::to_string(at) + " "))
            << byte << " xor " << mask;
      }
    }
  }
  EXPECT_GT(found, 1000);
}

// Without the check RocksDB would open, and the last upload would be gone.
TEST_F(DatabaseLogTest, DamagedStoreIsNotOpened) {
  bytes_[records_.back() + 5] ^= 0x40;
  std::ofstream(path_, std::ios::binary) << bytes_;
  EXPECT_THAT(OpenRocksDbEngine(maker_.path(), {}).status(),
              StatusIs(absl::StatusCode::kDataLoss, path_.string()));
}

}  // namespace
}  // namespace qstore::storage
