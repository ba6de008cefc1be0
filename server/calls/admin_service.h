// The gRPC service for operators (admin.proto). Its calls are short ones for
// CallAdmission, and run on a thread of gRPC's each.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "qstore/v1/admin.grpc.pb.h"
#include "server/backup_directory.h"
#include "server/calls/call_frame.h"
#include "server/check/scrubber.h"
#include "storage/model_store.h"

namespace qstore::server {

class AdminService final : public v1::Admin::Service {
 public:
  // All outlive the service. Without `backups` CreateBackup is refused,
  // without `scrubber` the scrub is off.
  AdminService(storage::ModelStore* store, const CallEnvironment& environment,
               BackupDirectory* backups, const Scrubber* scrubber)
      : store_(store),
        environment_(environment),
        backups_(backups),
        scrubber_(scrubber) {}

  grpc::Status CreateBackup(grpc::ServerContext* context,
                            const v1::CreateBackupRequest* request,
                            v1::CreateBackupResponse* response) override;
  grpc::Status GetScrubStatus(grpc::ServerContext* context,
                              const v1::GetScrubStatusRequest* request,
                              v1::ScrubStatus* response) override;

 private:
  absl::Status RunCreateBackup(const v1::CreateBackupRequest& request,
                               v1::CreateBackupResponse* response);

  storage::ModelStore* const store_;
  const CallEnvironment environment_;
  BackupDirectory* const backups_;
  const Scrubber* const scrubber_;
};

}  // namespace qstore::server
