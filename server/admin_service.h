// The gRPC service for operators (admin.proto). Its calls are short ones for
// CallAdmission, and run on a thread of gRPC's each.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "qstore/v1/admin.grpc.pb.h"
#include "server/backup_directory.h"
#include "server/call_admission.h"
#include "storage/model_store.h"

namespace qstore::server {

class AdminService final : public v1::Admin::Service {
 public:
  // All outlive the service. Without `backups` CreateBackup is refused.
  AdminService(storage::ModelStore* store, CallAdmission* admission,
               BackupDirectory* backups)
      : store_(store), admission_(admission), backups_(backups) {}

  grpc::Status CreateBackup(grpc::ServerContext* context,
                            const v1::CreateBackupRequest* request,
                            v1::CreateBackupResponse* response) override;

 private:
  absl::Status RunCreateBackup(const v1::CreateBackupRequest& request,
                               v1::CreateBackupResponse* response);

  storage::ModelStore* const store_;
  CallAdmission* const admission_;
  BackupDirectory* const backups_;
};

}  // namespace qstore::server
