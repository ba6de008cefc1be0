// The guard alone, over a file system of which single calls fail.
#include "storage/rocksdb/manifest_guard.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/storage/temporary_directory.h"

namespace qstore::storage {
namespace {

using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

struct Failures {
  bool sync = false;
  bool rename = false;
  bool directory_sync = false;
};

class FailingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FailingFile(std::unique_ptr<FSWritableFile> file, const Failures* failures)
      : FSWritableFileOwnerWrapper(std::move(file)), failures_(*failures) {}
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (failures_.sync) return IOStatus::NoSpace("syncing", "no space");
    return target()->Sync(options, debug);
  }

 private:
  const Failures& failures_;
};

class FailingDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FailingDirectory(std::unique_ptr<FSDirectory> directory,
                   const Failures* failures)
      : FSDirectoryWrapper(std::move(directory)), failures_(*failures) {}
  IOStatus FsyncWithDirOptions(
      const IOOptions& options, IODebugContext* debug,
      const rocksdb::DirFsyncOptions& reason) override {
    if (failures_.directory_sync) return IOStatus::IOError("directory");
    return FSDirectoryWrapper::FsyncWithDirOptions(options, debug, reason);
  }

 private:
  const Failures& failures_;
};

class FailingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FailingFileSystem(const Failures* failures)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        failures_(failures) {}
  const char* Name() const override { return "FailingFileSystem"; }

  IOStatus NewWritableFile(const std::string& path,
                           const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus status = target()->NewWritableFile(path, options, file, debug);
    *file = std::make_unique<FailingFile>(std::move(*file), failures_);
    return status;
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* directory,
                        IODebugContext* debug) override {
    IOStatus status = target()->NewDirectory(path, options, directory, debug);
    *directory =
        std::make_unique<FailingDirectory>(std::move(*directory), failures_);
    return status;
  }
  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& options,
                      IODebugContext* debug) override {
    if (failures_->rename) return IOStatus::IOError("renaming");
    return target()->RenameFile(from, to, options, debug);
  }

 private:
  const Failures* failures_;
};

class ManifestGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"000007.sst", "MANIFEST-000001", "000003.log"}) {
      std::ofstream(directory_.path() / name) << "x";
    }
  }

  std::string Path(const std::string& name) const {
    return directory_.path() / name;
  }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(Path(name));
  }
  void Delete(const std::string& name) {
    EXPECT_TRUE(guard_.DeleteFile(Path(name), {}, nullptr).ok());
  }

  // Writes a file, as far as it comes.
  IOStatus Write(const std::string& name) {
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = guard_.NewWritableFile(Path(name), {}, &file, nullptr);
    if (status.ok()) status = file->Append("bytes", {}, nullptr);
    if (status.ok()) status = file->Sync({}, nullptr);
    return status;
  }

  // As RocksDB does it.
  IOStatus Install(const std::string& manifest) {
    IOStatus status = Write(manifest);
    if (status.ok()) status = Write("000009.dbtmp");
    if (status.ok()) {
      status =
          guard_.RenameFile(Path("000009.dbtmp"), Path("CURRENT"), {}, nullptr);
    }
    std::unique_ptr<FSDirectory> directory;
    EXPECT_TRUE(
        guard_.NewDirectory(directory_.path(), {}, &directory, nullptr).ok());
    if (status.ok()) {
      status = directory->FsyncWithDirOptions(
          {}, nullptr, rocksdb::DirFsyncOptions(Path("CURRENT")));
    }
    return status;
  }

  TemporaryDirectory directory_;
  Failures failures_;
  std::vector<absl::StatusCode> reports_;
  ManifestGuard guard_{std::make_shared<FailingFileSystem>(&failures_),
                       [this](const absl::Status& status) {
                         reports_.push_back(status.code());
                       }};
};

TEST_F(ManifestGuardTest, DeletesWhenNothingFailed) {
  ASSERT_TRUE(Install("MANIFEST-000008").ok());
  Delete("000007.sst");
  Delete("MANIFEST-000001");
  EXPECT_FALSE(Exists("000007.sst"));
  EXPECT_FALSE(Exists("MANIFEST-000001"));
  EXPECT_FALSE(guard_.DetachInDoubt());
  EXPECT_TRUE(reports_.empty());
}

TEST_F(ManifestGuardTest, KeepsTablesUntilANewManifestIsInstalled) {
  failures_.sync = true;
  EXPECT_FALSE(Write("MANIFEST-000008").ok());
  EXPECT_FALSE(Write("MANIFEST-000009").ok());
  EXPECT_EQ(guard_.failure_count(), 2u);
  failures_.sync = false;
  Delete("000007.sst");
  Delete("MANIFEST-000001");
  Delete("000003.log");
  EXPECT_TRUE(Exists("000007.sst"));
  EXPECT_TRUE(Exists("MANIFEST-000001"));
  EXPECT_FALSE(Exists("000003.log"));
  ASSERT_TRUE(Write("MANIFEST-000010").ok());
  EXPECT_TRUE(Exists("000007.sst"));
  ASSERT_TRUE(Install("MANIFEST-000011").ok());
  EXPECT_FALSE(Exists("000007.sst"));
  EXPECT_FALSE(Exists("MANIFEST-000001"));
  EXPECT_EQ(reports_, (std::vector{absl::StatusCode::kResourceExhausted,
                                   absl::StatusCode::kOk}));
}

TEST_F(ManifestGuardTest, AManifestThatIsNotInstalledSettlesNothing) {
  for (bool* failure : {&failures_.rename, &failures_.directory_sync}) {
    *failure = true;
    EXPECT_FALSE(Install("MANIFEST-000008").ok());
    Delete("000007.sst");
    EXPECT_TRUE(Exists("000007.sst"));
    *failure = false;
  }
  ASSERT_TRUE(Install("MANIFEST-000010").ok());
  EXPECT_FALSE(Exists("000007.sst"));
}

TEST_F(ManifestGuardTest, FailedWritesMayBeTriedAgain) {
  failures_.sync = true;
  for (const char* name : {"MANIFEST-000008", "000009.sst"}) {
    const IOStatus status = Write(name);
    EXPECT_TRUE(status.IsIOError());
    EXPECT_TRUE(status.GetRetryable());
    EXPECT_FALSE(status.IsNoSpace());
    EXPECT_NE(status.ToString().find("no space"), std::string::npos);
  }
  // What is no manifest leaves no doubt.
  EXPECT_EQ(guard_.failure_count(), 1u);
  uint64_t free_bytes = 0;
  EXPECT_TRUE(
      guard_.GetFreeSpace(Path(""), {}, &free_bytes, nullptr).IsNotSupported());
}

TEST_F(ManifestGuardTest, NothingIsWrittenWhenDetached) {
  ASSERT_TRUE(Install("MANIFEST-000008").ok());
  failures_.sync = true;
  EXPECT_FALSE(Write("MANIFEST-000009").ok());
  EXPECT_TRUE(guard_.DetachInDoubt());
  const auto before = std::filesystem::last_write_time(Path("CURRENT"));
  EXPECT_TRUE(Install("MANIFEST-000010").ok());
  EXPECT_FALSE(Exists("MANIFEST-000010"));
  EXPECT_EQ(std::filesystem::last_write_time(Path("CURRENT")), before);
  Delete("000007.sst");
  EXPECT_TRUE(Exists("000007.sst"));
  EXPECT_EQ(reports_, std::vector{absl::StatusCode::kResourceExhausted});
}

}  // namespace
}  // namespace qstore::storage
