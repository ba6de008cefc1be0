// One GetUploadState: has no thread while it waits for the call that still
// receives the upload.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/calls/call_frame.h"
#include "server/limits/call_admission.h"
#include "server/limits/open_calls.h"
#include "server/limits/stall_watch.h"
#include "server/upload/upload_park.h"

namespace qstore::server {

// Deletes itself when gRPC is done with it.
class UploadStateCall final : public grpc::ServerUnaryReactor {
 public:
  static UploadStateCall* Start(UploadPark* park,
                                const CallEnvironment& environment,
                                grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer& request,
                                grpc::ByteBuffer* answer);

  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  UploadStateCall(UploadPark* park, const CallEnvironment& environment,
                  grpc::CallbackServerContext* context,
                  grpc::ByteBuffer* answer);

  // What is asked for, when it may be.
  absl::Status Admit(const grpc::ByteBuffer& bytes,
                     v1::GetUploadStateRequest* request);
  void Search(const v1::GetUploadStateRequest& request);
  void End(const absl::Status& status);

  UploadPark* const park_;
  CallAdmission* const admission_;
  CallFrame frame_;
  StallWatch::Call stall_;
  OpenCalls::Call open_;
  CallAdmission::Permit permit_;
  grpc::ByteBuffer* const answer_;

  absl::Mutex mutex_;
  bool searching_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t search_ ABSL_GUARDED_BY(mutex_) = 0;  // while searching_
};

}  // namespace qstore::server
