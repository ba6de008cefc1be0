#include <fstream>
#include <string>

#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

class BackupTest : public ServerTest {
 protected:
  void StartWithBackups(const std::string& engine = "rocksdb") {
    options_.backup_dir = backups().string();
    StartServer(engine);
  }

  std::filesystem::path backups() const {
    return directory_.path() / "backups";
  }

  grpc::Status Backup(const std::string& name,
                      v1::CreateBackupResponse* response = nullptr) {
    v1::CreateBackupResponse ignored;
    grpc::ClientContext context;
    v1::CreateBackupRequest request;
    request.set_name(name);
    return NewAdminStub()->CreateBackup(
        &context, request, response == nullptr ? &ignored : response);
  }
};

TEST_F(BackupTest, IsOpenedAsAStoreOfItsOwn) {
  StartWithBackups();
  const TestModel model = VariedModel(1);
  MustUpload(kModel, model);
  v1::CreateBackupResponse made;
  const grpc::Status status = Backup("b", &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(made.path(), (backups() / "b").string());
  EXPECT_GT(made.size_bytes(), 0u);
  MustUpload("org/later", model);
  StopServer();

  std::filesystem::rename(backups() / "b", directory_.path() / "restored");
  options_.backup_dir.clear();
  options_.data_dir = (directory_.path() / "restored").string();
  auto daemon = Daemon::Start(options_);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  daemon_ = *std::move(daemon);
  stub_ = NewStub();
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.files, model);
  EXPECT_THAT(Download(*stub_, MakeReference("org/later"), kOriginal).status,
              StatusIs(StatusCode::NOT_FOUND));
}

TEST_F(BackupTest, NamesThatLeaveTheDirectoryAreRefused) {
  StartWithBackups();
  for (const char* name : {"", ".", "..", "../b", "/tmp/b", "a/b", ".partial-b",
                           "a/../../b", "-b", "b\n"}) {
    EXPECT_THAT(Backup(name),
                StatusIs(StatusCode::INVALID_ARGUMENT, "backup name"))
        << name;
  }
  EXPECT_THAT(Backup(std::string("b\0c", 3)),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  EXPECT_TRUE(std::filesystem::is_empty(backups()));
}

TEST_F(BackupTest, TakenNameIsRefusedAndLeftAlone) {
  StartWithBackups();
  std::ofstream(backups() / "file") << "mine";
  std::filesystem::create_symlink("nowhere", backups() / "link");
  ASSERT_TRUE(Backup("b").ok());
  for (const char* name : {"file", "link", "b"}) {
    EXPECT_THAT(Backup(name), StatusIs(StatusCode::ALREADY_EXISTS, name));
  }
  EXPECT_TRUE(std::filesystem::is_symlink(backups() / "link"));
  EXPECT_EQ(std::filesystem::file_size(backups() / "file"), 4u);
}

TEST_F(BackupTest, WithoutADirectoryOrFilesIsRefused) {
  StartServer("rocksdb");
  EXPECT_THAT(Backup("b"),
              StatusIs(StatusCode::FAILED_PRECONDITION, "--backup-dir"));
  StopServer();
  StartWithBackups("memory");
  EXPECT_THAT(Backup("b"),
              StatusIs(StatusCode::UNIMPLEMENTED, "keeps no files"));
  EXPECT_TRUE(std::filesystem::is_empty(backups()));
}

}  // namespace
}  // namespace qstore::server
