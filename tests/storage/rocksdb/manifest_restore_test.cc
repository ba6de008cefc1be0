#include "storage/rocksdb/manifest_restore.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/storage/rocksdb/table_files.h"
#include "tests/storage/temporary_directory.h"

namespace qstore::storage {
namespace {

class ManifestRestoreTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_.path() / name) << content;
  }
  std::string Read(const std::string& name) const {
    return FileBytes(directory_.path() / name);
  }
  absl::Status Restore(const DurableManifest& durable) const {
    return RestoreManifest(directory_.path(), durable);
  }

  TemporaryDirectory directory_;
};

TEST_F(ManifestRestoreTest, CutsWhatWasNotKnownToBeThere) {
  Write("MANIFEST-000005", "12345678");
  Write("CURRENT", "MANIFEST-000005\n");
  ASSERT_TRUE(Restore({"MANIFEST-000005", 5}).ok());
  EXPECT_EQ(Read("MANIFEST-000005"), "12345");
  EXPECT_EQ(Read("CURRENT"), "MANIFEST-000005\n");
  EXPECT_TRUE(Restore({"MANIFEST-000005", 5}).ok());
  EXPECT_EQ(Read("MANIFEST-000005"), "12345");
}

TEST_F(ManifestRestoreTest, NamesTheManifestAgain) {
  Write("MANIFEST-000005", "12345");
  Write("MANIFEST-000006", "123");
  Write("CURRENT", "MANIFEST-000006\n");
  ASSERT_TRUE(Restore({"MANIFEST-000005", 5}).ok());
  EXPECT_EQ(Read("CURRENT"), "MANIFEST-000005\n");
}

TEST_F(ManifestRestoreTest, MakesNoManifest) {
  Write("CURRENT", "MANIFEST-000006\n");
  EXPECT_FALSE(Restore({"MANIFEST-000005", 5}).ok());
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "MANIFEST-000005"));
  EXPECT_EQ(Read("CURRENT"), "MANIFEST-000006\n");
}

TEST_F(ManifestRestoreTest, AManifestThatIsTooShortIsDamaged) {
  Write("MANIFEST-000005", "1234");
  EXPECT_TRUE(absl::IsDataLoss(Restore({"MANIFEST-000005", 5})));
}

}  // namespace
}  // namespace qstore::storage
