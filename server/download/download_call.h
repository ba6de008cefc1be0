// One Download, waiting for its turn or running: reads stored values on the
// read pool and writes them to gRPC.
//
// How far it reads ahead follows the client: the window of messages that are
// ready or being written opens by one with each that the client takes, and
// closes to one when it takes long. So a slow client pins one value, and for a
// fast one the pool fills a queue at once, instead of being woken for each
// message.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "model/names.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/download/download_source.h"
#include "server/download/pinned_bytes.h"
#include "server/limits/call_admission.h"
#include "server/limits/stall_watch.h"
#include "storage/model_store.h"
#include "wire/read_request.h"

namespace qstore::server {

inline constexpr size_t kMaxWindowMessages = 8;

// What all downloads share. Not owned; outlives every call.
struct DownloadResources {
  storage::ModelStore* store = nullptr;
  // Reads block, so they do not run on gRPC's threads. Its queue must hold a
  // task for every download that is admitted.
  ThreadPool* read_pool = nullptr;
  std::shared_ptr<PinnedBytesGauge> gauge;
  // While more than this is pinned by all downloads together, none reads ahead.
  uint64_t pin_bytes = 256u << 20;
  // For the lists of tensors of calls that run.
  ByteBudget* metadata = nullptr;
};

// Deletes itself when gRPC is done with it.
class DownloadCall : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Starts the call: `request` is a serialized v1::DownloadRequest.
  static DownloadCall* Start(const DownloadResources& resources,
                             const CallEnvironment& environment,
                             grpc::CallbackServerContext* context,
                             const grpc::ByteBuffer& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  DownloadCall(const DownloadResources& resources,
               const CallEnvironment& environment,
               grpc::CallbackServerContext* context);

  absl::Status Parse(const grpc::ByteBuffer& request);
  void Enqueue();
  void Admitted(absl::StatusOr<CallAdmission::Permit> answer);
  // Does what can be done next: a write, a read, or the end of the call. Takes
  // the lock over from the caller and gives it up: the change that the caller
  // made and the decision are one step, after which the call may be gone.
  void Advance() ABSL_UNLOCK_FUNCTION(mutex_);
  // On the read pool: makes messages while the window has room.
  void Produce();
  absl::StatusOr<std::optional<grpc::ByteBuffer>> NextMessage();
  absl::Status OpenSource();
  bool HasEnded();
  void CloseSource() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ClientGone() const;
  bool WindowHasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const DownloadResources resources_;
  CallAdmission* const admission_;
  CallFrame frame_;
  StallWatch* const stalls_;
  StallWatch::Call stall_;
  CallAdmission::Permit permit_;
  ModelReference reference_;
  wire::ReadRequest request_;

  // Used by the task on the read pool alone while producing_, else under
  // mutex_.
  std::unique_ptr<DownloadSource> source_;
  ByteBudget::Lease metadata_lease_;

  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> ready_ ABSL_GUARDED_BY(mutex_);
  // In use by gRPC while writing_, and else under mutex_.
  grpc::ByteBuffer writing_message_;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // for its turn
  // In the queue, while waiting_.
  uint64_t ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Of writing_message_.
  std::chrono::steady_clock::time_point write_began_ ABSL_GUARDED_BY(mutex_);
  size_t window_messages_ ABSL_GUARDED_BY(mutex_) = 1;
  bool producing_ ABSL_GUARDED_BY(mutex_) = false;
  // The source has no more messages.
  bool exhausted_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // the first error
};

}  // namespace qstore::server
