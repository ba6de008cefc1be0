// The gRPC service for operators (admin.proto). Its calls are short ones for
// CallAdmission.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "qstore/v1/admin.grpc.pb.h"
#include "server/backup_directory.h"
#include "server/calls/call_frame.h"
#include "server/check/scrubber.h"
#include "storage/model_store.h"

namespace qstore::server {

class AdminService final
    : public v1::Admin::WithRawCallbackMethod_CreateBackup<
          v1::Admin::WithRawCallbackMethod_GetScrubStatus<v1::Admin::Service>> {
 public:
  // All outlive the service. Without `backups` CreateBackup is refused,
  // without `scrubber` the scrub is off.
  AdminService(storage::ModelStore* store, const CallEnvironment& environment,
               BackupDirectory* backups, const Scrubber* scrubber)
      : store_(store),
        environment_(environment),
        backups_(backups),
        scrubber_(scrubber) {}

  grpc::ServerUnaryReactor* CreateBackup(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetScrubStatus(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* answer) override;

 private:
  absl::Status RunCreateBackup(const v1::CreateBackupRequest& request,
                               v1::CreateBackupResponse* response);

  storage::ModelStore* const store_;
  const CallEnvironment environment_;
  BackupDirectory* const backups_;
  const Scrubber* const scrubber_;
};

}  // namespace qstore::server
