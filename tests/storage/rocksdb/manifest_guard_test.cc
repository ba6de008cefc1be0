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
  IOStatus Write(const std::string& name, ManifestGuard* guard) {
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = guard->NewWritableFile(Path(name), {}, &file, nullptr);
    if (status.ok()) status = file->Append("bytes", {}, nullptr);
    if (status.ok()) status = file->Sync({}, nullptr);
    return status;
  }
  IOStatus Write(const std::string& name) { return Write(name, &guard_); }

  // Lets CURRENT name it, as RocksDB does.
  IOStatus Name(const std::string& manifest, ManifestGuard* guard) {
    std::ofstream(Path("000009.dbtmp")) << manifest << "\n";
    IOStatus status =
        guard->RenameFile(Path("000009.dbtmp"), Path("CURRENT"), {}, nullptr);
    std::unique_ptr<FSDirectory> directory;
    EXPECT_TRUE(
        guard->NewDirectory(directory_.path(), {}, &directory, nullptr).ok());
    if (status.ok()) {
      status = directory->FsyncWithDirOptions(
          {}, nullptr, rocksdb::DirFsyncOptions(Path("CURRENT")));
    }
    return status;
  }
  IOStatus Name(const std::string& manifest) { return Name(manifest, &guard_); }
  IOStatus Install(const std::string& manifest, ManifestGuard* guard) {
    IOStatus status = Write(manifest, guard);
    return status.ok() ? Name(manifest, guard) : status;
  }
  IOStatus Install(const std::string& manifest) {
    return Install(manifest, &guard_);
  }

  TemporaryDirectory directory_;
  Failures failures_;
  std::vector<absl::StatusCode> reports_;
  const std::shared_ptr<HeldTables> held_ = std::make_shared<HeldTables>();
  ManifestGuard guard_{std::make_shared<FailingFileSystem>(&failures_), held_,
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
  EXPECT_TRUE(guard_.failure().ok());
  EXPECT_TRUE(reports_.empty());
}

TEST_F(ManifestGuardTest, KeepsTablesAndManifestsAfterAFailure) {
  ASSERT_TRUE(Install("MANIFEST-000006").ok());
  failures_.sync = true;
  EXPECT_FALSE(Write("MANIFEST-000008").ok());
  failures_.sync = false;
  EXPECT_TRUE(absl::IsResourceExhausted(guard_.failure()));
  Delete("000007.sst");
  Delete("MANIFEST-000001");
  Delete("000003.log");
  EXPECT_TRUE(Exists("000007.sst"));
  EXPECT_TRUE(Exists("MANIFEST-000001"));
  EXPECT_FALSE(Exists("000003.log"));
  EXPECT_EQ(reports_, std::vector{absl::StatusCode::kResourceExhausted});
}

// RocksDB's memory is what was known to be on the disk: nothing may be added.
TEST_F(ManifestGuardTest, WritesNoManifestAfterAFailure) {
  ASSERT_TRUE(Install("MANIFEST-000006").ok());
  std::unique_ptr<FSWritableFile> open;
  ASSERT_TRUE(
      guard_.NewWritableFile(Path("MANIFEST-000007"), {}, &open, nullptr).ok());
  failures_.sync = true;
  EXPECT_FALSE(Write("MANIFEST-000008").ok());
  failures_.sync = false;
  EXPECT_FALSE(open->Append("bytes", {}, nullptr).ok());
  EXPECT_FALSE(open->Sync({}, nullptr).ok());
  EXPECT_FALSE(Write("MANIFEST-000009").ok());
  EXPECT_FALSE(Exists("MANIFEST-000009"));
  std::ofstream(Path("000009.dbtmp")) << "MANIFEST-000008\n";
  EXPECT_FALSE(
      guard_.RenameFile(Path("000009.dbtmp"), Path("CURRENT"), {}, nullptr)
          .ok());
  EXPECT_TRUE(Exists("000009.dbtmp"));
  EXPECT_EQ(reports_.size(), 1u);
}

TEST_F(ManifestGuardTest, KnowsWhatIsOnTheDisk) {
  EXPECT_EQ(guard_.durable().name, "");
  ASSERT_TRUE(Write("MANIFEST-000006").ok());
  EXPECT_EQ(guard_.durable().name, "");
  std::unique_ptr<FSWritableFile> manifest;
  ASSERT_TRUE(
      guard_.NewWritableFile(Path("MANIFEST-000007"), {}, &manifest, nullptr)
          .ok());
  ASSERT_TRUE(manifest->Append("12345", {}, nullptr).ok());
  ASSERT_TRUE(manifest->Sync({}, nullptr).ok());
  ASSERT_TRUE(Name("MANIFEST-000007").ok());
  EXPECT_EQ(guard_.durable().name, "MANIFEST-000007");
  EXPECT_EQ(guard_.durable().size_bytes, 5u);
  ASSERT_TRUE(manifest->Append("678", {}, nullptr).ok());
  EXPECT_EQ(guard_.durable().size_bytes, 5u);
  failures_.sync = true;
  EXPECT_FALSE(manifest->Sync({}, nullptr).ok());
  EXPECT_EQ(guard_.durable().size_bytes, 5u);
}

TEST_F(ManifestGuardTest, AManifestThatIsNotInstalledIsNotTheOneOnTheDisk) {
  for (bool* failure : {&failures_.rename, &failures_.directory_sync}) {
    ManifestGuard other(std::make_shared<FailingFileSystem>(&failures_), held_,
                        nullptr);
    ASSERT_TRUE(Install("MANIFEST-000006", &other).ok());
    *failure = true;
    EXPECT_FALSE(Install("MANIFEST-000008", &other).ok());
    *failure = false;
    EXPECT_EQ(other.durable().name, "MANIFEST-000006");
    EXPECT_FALSE(other.failure().ok());
    EXPECT_TRUE(other.DeleteFile(Path("MANIFEST-000006"), {}, nullptr).ok());
    EXPECT_TRUE(Exists("MANIFEST-000006"));
  }
}

// RocksDB 7.8 asks for it when it could not open a table.
TEST_F(ManifestGuardTest, KeepsTheManifestThatCurrentNames) {
  ASSERT_TRUE(Install("MANIFEST-000008").ok());
  Delete("MANIFEST-000008");
  EXPECT_TRUE(Exists("MANIFEST-000008"));
  ASSERT_TRUE(Install("MANIFEST-000009").ok());
  Delete("MANIFEST-000008");
  EXPECT_FALSE(Exists("MANIFEST-000008"));
}

TEST_F(ManifestGuardTest, FailedCallsMayBeTriedAgain) {
  failures_.sync = true;
  for (const char* name : {"MANIFEST-000008", "000009.sst"}) {
    const IOStatus status = Write(name);
    EXPECT_TRUE(status.IsIOError());
    EXPECT_TRUE(status.GetRetryable());
    EXPECT_FALSE(status.IsNoSpace());
    EXPECT_NE(status.ToString().find("no space"), std::string::npos);
  }
  uint64_t free_bytes = 0;
  EXPECT_TRUE(
      guard_.GetFreeSpace(Path(""), {}, &free_bytes, nullptr).IsNotSupported());
}

TEST_F(ManifestGuardTest, RetiredItWritesAndDeletesNothing) {
  ASSERT_TRUE(Install("MANIFEST-000008").ok());
  guard_.Retire();
  EXPECT_FALSE(Write("MANIFEST-000009").ok());
  Delete("000007.sst");
  Delete("MANIFEST-000001");
  EXPECT_TRUE(Exists("000007.sst"));
  EXPECT_TRUE(Exists("MANIFEST-000001"));
  // That is no failure.
  EXPECT_TRUE(guard_.failure().ok());
  EXPECT_TRUE(reports_.empty());
}

TEST_F(ManifestGuardTest, TablesStayWhileAnEarlierOpeningReadsThem) {
  held_->Enter();
  held_->Enter();
  Delete("000007.sst");
  EXPECT_TRUE(Exists("000007.sst"));
  held_->Leave();
  EXPECT_FALSE(Exists("000007.sst"));
  std::ofstream(Path("000008.sst")) << "x";
  Delete("000008.sst");
  EXPECT_FALSE(Exists("000008.sst"));
  held_->Leave();
}

}  // namespace
}  // namespace qstore::storage
