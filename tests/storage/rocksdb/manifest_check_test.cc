#include "storage/rocksdb/manifest_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/file.h"
#include "storage/records/keys.h"
#include "tests/storage/engine_fixture.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeaderBytes = 7;
constexpr int kKeys = 6;

class ManifestCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Engine engine = maker_.Open();
    ASSERT_NE(engine.records, nullptr);
    for (int i = 0; i < kKeys; ++i) {
      WriteBatch batch;
      batch.Put(std::to_string(i), "value");
      ASSERT_TRUE(engine.records->Commit(batch).ok());
    }
    engine = {};
    for (const auto& entry : fs::directory_iterator(maker_.path())) {
      if (entry.path().filename().native().starts_with("MANIFEST-")) {
        manifest_path_ = entry.path();
      }
    }
    manifest_ = *ReadWholeFile(manifest_path_, 1 << 20);
  }

  void Write(const std::string& content) const {
    std::ofstream(manifest_path_, std::ios::binary | std::ios::trunc)
        << content;
  }

  // Opens a copy, since opening writes a new manifest. OK when it opens and has
  // every key; INTERNAL when it lacks any.
  absl::Status OpenCopy() const {
    const TemporaryDirectory directory;
    const fs::path copy = directory.path() / "copy";
    fs::copy(maker_.path(), copy, fs::copy_options::recursive);
    auto engine = OpenRocksDbEngine(copy, {});
    if (!engine.ok()) return engine.status();
    for (int i = 0; i < kKeys; ++i) {
      if (!engine->records->Get(std::to_string(i)).ok()) {
        return absl::InternalError("a key was lost without a word");
      }
    }
    return absl::OkStatus();
  }

  // Where records begin. The manifest is shorter than a block.
  std::vector<size_t> RecordOffsets() const {
    std::vector<size_t> offsets;
    size_t at = 0;
    while (at + kHeaderBytes <= manifest_.size()) {
      offsets.push_back(at);
      at += kHeaderBytes + static_cast<uint8_t>(manifest_[at + 4]) +
            256 * static_cast<uint8_t>(manifest_[at + 5]);
    }
    EXPECT_EQ(at, manifest_.size());
    return offsets;
  }

  RocksDbEngineMaker maker_;
  fs::path manifest_path_;
  std::string manifest_;
};

TEST_F(ManifestCheckTest, EveryDamagedLengthOrTypeIsNoticed) {
  ASSERT_TRUE(OpenCopy().ok());
  const std::vector<size_t> offsets = RecordOffsets();
  ASSERT_GT(offsets.size(), static_cast<size_t>(kKeys));
  for (const size_t offset : offsets) {
    for (int bit = 0; bit < 24; ++bit) {
      std::string damaged = manifest_;
      damaged[offset + 4 + static_cast<size_t>(bit) / 8] ^=
          static_cast<char>(1 << (bit % 8));
      if (!CheckManifestRecords(damaged).ok()) continue;
      // What RocksDB finds by itself.
      Write(damaged);
      EXPECT_EQ(OpenCopy().code(), absl::StatusCode::kDataLoss)
          << "record at " << offset << ", bit " << bit;
    }
  }
}

TEST_F(ManifestCheckTest, NoDamagedByteLosesAKey) {
  for (size_t at = 0; at < manifest_.size(); at += 23) {
    std::string damaged = manifest_;
    damaged[at] ^= static_cast<char>(1 << (at % 8));
    Write(damaged);
    EXPECT_NE(OpenCopy().code(), absl::StatusCode::kInternal) << "byte " << at;
  }
}

// What a power cut leaves of the last write must not keep a store from opening.
TEST_F(ManifestCheckTest, UnfinishedRecordsArePermitted) {
  const std::string zeros(100, '\0');
  for (size_t size = 0; size <= manifest_.size(); ++size) {
    const std::string begun = manifest_.substr(0, size);
    EXPECT_TRUE(CheckManifestRecords(begun).ok()) << size;
    EXPECT_TRUE(CheckManifestRecords(begun + zeros).ok()) << size;
  }
}

TEST_F(ManifestCheckTest, MissingOrMisnamedCurrentIsDamage) {
  const fs::path current = maker_.path() / "CURRENT";
  std::ofstream(current, std::ios::trunc) << "MANIFEST-999999\n";
  EXPECT_THAT(std::string(OpenCopy().message()),
              ::testing::HasSubstr("MANIFEST-999999"));
  fs::remove(current);
  const absl::Status status = OpenCopy();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("restore a backup"));
}

}  // namespace
}  // namespace qstore::storage
