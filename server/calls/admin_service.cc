#include "server/calls/admin_service.h"

#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::server {

grpc::Status AdminService::CreateBackup(grpc::ServerContext* context,
                                        const v1::CreateBackupRequest* request,
                                        v1::CreateBackupResponse* response) {
  CallFrame call(environment_, kCreateBackupMethod, context,
                 Quoted(request->name()));
  return call.Run([&] { return RunCreateBackup(*request, response); });
}

absl::Status AdminService::RunCreateBackup(
    const v1::CreateBackupRequest& request,
    v1::CreateBackupResponse* response) {
  if (backups_ == nullptr) {
    return WithReason(
        absl::FailedPreconditionError(
            "this server has no directory for backups: start it with "
            "--backup-dir DIR"),
        kReasonBackupsOff);
  }
  QSTORE_ASSIGN_OR_RETURN(const BackupDirectory::Backup backup,
                          backups_->Create(store_, request.name()));
  response->set_path(backup.path.string());
  response->set_size_bytes(backup.size_bytes);
  return absl::OkStatus();
}

grpc::Status AdminService::GetScrubStatus(
    grpc::ServerContext* context, const v1::GetScrubStatusRequest* /*request*/,
    v1::ScrubStatus* response) {
  CallFrame call(environment_, kGetScrubStatusMethod, context);
  return call.Run([&] {
    if (scrubber_ != nullptr) {
      *response = scrubber_->Status();
      response->set_enabled(true);
    }
    return absl::OkStatus();
  });
}

}  // namespace qstore::server
