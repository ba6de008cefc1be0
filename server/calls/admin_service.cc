#include "server/calls/admin_service.h"

#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/short_call.h"

namespace qstore::server {

grpc::ServerUnaryReactor* AdminService::CreateBackup(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::CreateBackupRequest, v1::CreateBackupResponse>(
      environment_, kCreateBackupMethod, context, request, answer,
      [this](CallFrame* /*call*/, const v1::CreateBackupRequest& message,
             v1::CreateBackupResponse* response) {
        return RunCreateBackup(message, response);
      });
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

grpc::ServerUnaryReactor* AdminService::GetScrubStatus(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* answer) {
  return StartShortCall<v1::GetScrubStatusRequest, v1::ScrubStatus>(
      environment_, kGetScrubStatusMethod, context, request, answer,
      [this](CallFrame* /*call*/, const v1::GetScrubStatusRequest& /*message*/,
             v1::ScrubStatus* response) {
        if (scrubber_ != nullptr) {
          *response = scrubber_->Status();
          response->set_enabled(true);
        }
        return absl::OkStatus();
      });
}

}  // namespace qstore::server
