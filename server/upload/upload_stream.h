// One Upload as gRPC has it: a stream of messages, which the thread that works
// on the upload takes one at a time.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/calls/pooled_call.h"
#include "server/upload/upload_call.h"

namespace qstore::server {

// Deletes itself when gRPC is done with it.
class UploadStream final : public grpc::ServerReadReactor<grpc::ByteBuffer>,
                           private PooledCall,
                           private UploadReader {
 public:
  static UploadStream* Start(const UploadResources& resources,
                             const CallEnvironment& environment,
                             grpc::CallbackServerContext* context,
                             grpc::ByteBuffer* answer);

  void OnReadDone(bool ok) override;
  void OnCancel() override { Cancelled(); }
  void OnDone() override { delete this; }

 private:
  UploadStream(const UploadResources& resources,
               const CallEnvironment& environment,
               grpc::CallbackServerContext* context, grpc::ByteBuffer* answer);

  // PooledCall.
  absl::Status Work() override;
  uint64_t AnswerBytes() const override { return answer_->Length(); }
  void EndWith(const grpc::Status& status) override;

  // UploadReader.
  absl::StatusOr<bool> Read(v1::UploadRequest* request) override;
  bool IsOver() const override { return IsCancelled(); }
  void Cancel() override { PooledCall::Cancel(); }
  absl::Status ClientGone() const override { return PooledCall::ClientGone(); }

  const UploadResources& resources_;
  grpc::ByteBuffer* const answer_;
  uint64_t message_count_ = 0;
  // In use by gRPC from StartRead to OnReadDone.
  grpc::ByteBuffer message_;

  absl::Mutex mutex_;
  bool read_ ABSL_GUARDED_BY(mutex_) = false;     // OnReadDone has come
  bool read_ok_ ABSL_GUARDED_BY(mutex_) = false;  // with a message
};

}  // namespace qstore::server
