#include "server/calls/admin_service.h"

#include <utility>

#include "base/quote.h"
#include "base/status.h"
#include "server/calls/call_log.h"

namespace qstore::server {

grpc::Status AdminService::CreateBackup(grpc::ServerContext* context,
                                        const v1::CreateBackupRequest* request,
                                        v1::CreateBackupResponse* response) {
  CallLog log("CreateBackup", context->peer());
  log.set_object(Quoted(request->name()));
  return log.End(RunCreateBackup(*request, response));
}

absl::Status AdminService::RunCreateBackup(
    const v1::CreateBackupRequest& request,
    v1::CreateBackupResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  if (backups_ == nullptr) {
    return absl::FailedPreconditionError(
        "this server has no directory for backups: start it with --backup-dir "
        "DIR");
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
  CallLog log("GetScrubStatus", context->peer());
  return log.End(RunGetScrubStatus(response));
}

absl::Status AdminService::RunGetScrubStatus(v1::ScrubStatus* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto permit,
                          admission_->Enter(CallKind::kShort));
  if (scrubber_ == nullptr) return absl::OkStatus();
  *response = scrubber_->Status();
  response->set_enabled(true);
  return absl::OkStatus();
}

}  // namespace qstore::server
