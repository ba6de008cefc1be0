// One Verify as gRPC has it: a stream of reports, each of which is taken before
// the next one is made.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/calls/pooled_call.h"
#include "server/check/verify_call.h"

namespace qstore::server {

// Deletes itself when gRPC is done with it.
class VerifyStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           private PooledCall {
 public:
  static VerifyStream* Start(const VerifyResources& resources,
                             const CallEnvironment& environment,
                             grpc::CallbackServerContext* context,
                             const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Cancelled(); }
  void OnDone() override { delete this; }

 private:
  VerifyStream(const VerifyResources& resources,
               const CallEnvironment& environment,
               grpc::CallbackServerContext* context, v1::VerifyRequest request);

  absl::Status Work() override;
  void EndWith(const grpc::Status& status) override { Finish(status); }
  // False: the client is gone.
  bool Write(const v1::VerifyResponse& response);

  const VerifyResources& resources_;
  const v1::VerifyRequest request_;
  // In use by gRPC from StartWrite to OnWriteDone.
  grpc::ByteBuffer message_;

  absl::Mutex mutex_;
  bool written_ ABSL_GUARDED_BY(mutex_) = false;  // OnWriteDone has come
  bool written_ok_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace qstore::server
