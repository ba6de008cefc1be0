// A call that waits for its turn without a thread, has one of a pool while it
// works, and none again while its client takes the answer.
//
// gRPC's own threads are never kept: clients could use them up by taking
// nothing, or by sending nothing. A reactor derives from this; it gives
// OnCancel to Cancelled, and deletes itself in OnDone.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/thread_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "server/calls/call_frame.h"
#include "server/limits/call_admission.h"
#include "server/limits/open_calls.h"
#include "server/limits/stall_watch.h"

namespace qstore::server {

class PooledCall {
 public:
  PooledCall(const PooledCall&) = delete;
  PooledCall& operator=(const PooledCall&) = delete;

 protected:
  // `client_duty`: what a client that stalls has not done, "sent" or "took".
  // `pool`: has a thread for every call that is admitted at once, or room for
  // it in its queue.
  PooledCall(const CallEnvironment& environment, const CallMethod& method,
             grpc::CallbackServerContext* context, ThreadPool* pool,
             const char* client_duty);
  virtual ~PooledCall() = default;

  // From the handler, before it returns; everything else follows.
  // `parsed`: whether the request could be read; if not, that is the answer.
  void Begin(const absl::Status& parsed = absl::OkStatus());
  void Cancelled();

  CallFrame& frame() { return frame_; }
  StallWatch::Call& stall() { return stall_; }
  bool IsCancelled() const { return context_->IsCancelled(); }
  // As by the client.
  void Cancel() { context_->TryCancel(); }
  // CANCELLED: why the client is not there any more.
  absl::Status ClientGone() const;

 private:
  // On a thread of the pool, once. The answer is there when it returns OK.
  virtual absl::Status Work() = 0;
  // Of the answer.
  virtual uint64_t AnswerBytes() const { return 0; }
  // Gives gRPC the status, and the answer where that is OK. `this` may be gone
  // when it returns.
  virtual void EndWith(const grpc::Status& status) = 0;

  void Admitted(absl::StatusOr<CallAdmission::Permit> answer);
  void Run();
  void End(const absl::Status& status);

  const CallEnvironment environment_;
  const CallMethod& method_;
  grpc::CallbackServerContext* const context_;
  ThreadPool* const pool_;
  const char* const client_duty_;
  CallFrame frame_;
  StallWatch::Call stall_;
  OpenCalls::Call open_;
  CallAdmission::Permit permit_;

  absl::Mutex mutex_;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // for its turn
  // In the queue, while waiting_.
  uint64_t ticket_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace qstore::server
