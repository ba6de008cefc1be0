#include "storage/rocksdb/foreign_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "storage/rocksdb/engine.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ForeignFilesTest : public ::testing::Test {
 protected:
  ForeignFilesTest() {
    std::string name =
        (fs::temp_directory_path() / "qstore-foreign-XXXXXX").native();
    directory_ = mkdtemp(name.data());
  }
  ~ForeignFilesTest() override { fs::remove_all(directory_); }

  void Write(const std::string& file) const {
    fs::create_directories((directory_ / file).parent_path());
    std::ofstream(directory_ / file) << "x";
  }

  fs::path directory_;
};

TEST_F(ForeignFilesTest, EmptyAndAbsentDirectoriesMayBecomeStores) {
  EXPECT_TRUE(CheckNoForeignFiles(directory_).ok());
  EXPECT_TRUE(CheckNoForeignFiles(directory_ / "none").ok());
  fs::create_directory(directory_ / "lost+found");
  EXPECT_TRUE(CheckNoForeignFiles(directory_).ok());
}

// What a process that was killed while it made a store has left.
TEST_F(ForeignFilesTest, AStoreThatWasBeingMadeIsOne) {
  for (const char* file :
       {"LOCK", "LOG", "LOG.old.1732723200", "IDENTITY", "MANIFEST-000001",
        "000001.dbtmp", "000004.log", "OPTIONS-000005", "staging/1.sst"}) {
    Write(file);
  }
  EXPECT_TRUE(CheckNoForeignFiles(directory_).ok());
}

TEST_F(ForeignFilesTest, FilesOfOthersAreNamed) {
  Write("LOCK");
  Write("config.json");
  const absl::Status status = CheckNoForeignFiles(directory_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"config.json\""));
}

TEST_F(ForeignFilesTest, AStoreMayHoldWhatPeoplePutThere) {
  ASSERT_TRUE(OpenRocksDbEngine(directory_, {}).ok());
  Write("notes.txt");
  EXPECT_TRUE(CheckNoForeignFiles(directory_).ok());
}

}  // namespace
}  // namespace qstore::storage
