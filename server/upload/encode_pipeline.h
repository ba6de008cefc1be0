// Encodes chunks of many objects in parallel and stores them in order.
//
//   caller --SubmitChunk--> encode pool --(any order)--> storing thread
//
// The queue of slots is in the order of submission and crosses object
// boundaries, so that a model of many small tensors keeps every core busy too.
// Memory is bounded by the byte budget: a chunk's leases live until its blobs
// are with the object writer. All calls on the storage::Upload are made by the
// storing thread until Finish returns.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/hash.h"
#include "qstore/upload/v1/upload_checkpoint.pb.h"
#include "server/upload/chunk_work.h"
#include "server/upload/ingest_resources.h"
#include "server/upload/object_plan.h"
#include "storage/model_store.h"

namespace qstore::server {

struct StoredObject {
  uint64_t object_id = 0;
  Sha256Digest content_hash{};
};

// One thread at a time.
class EncodePipeline {
 public:
  // `upload` and `resources` outlive the pipeline. `stored` and `stored_bytes`:
  // of an upload that a process before this one has begun.
  EncodePipeline(storage::Upload* upload, const IngestResources& resources,
                 std::vector<StoredObject> stored = {},
                 uint64_t stored_bytes = 0);
  // Drops what is queued and waits for what is being encoded.
  ~EncodePipeline();
  EncodePipeline(const EncodePipeline&) = delete;
  EncodePipeline& operator=(const EncodePipeline&) = delete;

  // Takes room for a chunk of `raw_bytes` and its blobs; blocks while other
  // chunks have it. CANCELLED when the call ends meanwhile.
  absl::Status Reserve(uint64_t raw_bytes, ChunkWork* work) const;

  // Chunks of one object follow each other; then EndObject. Both return early
  // with the first error of an earlier chunk.
  absl::Status SubmitChunk(std::unique_ptr<ChunkWork> work);
  // Returns the object's position among the results of Finish.
  absl::StatusOr<size_t> EndObject(std::shared_ptr<const ObjectPlan> plan);

  // Remembers `checkpoint` durably once everything before it is stored, with
  // those objects; between two objects.
  absl::Status SubmitCheckpoint(
      std::unique_ptr<upload::v1::UploadCheckpoint> checkpoint);
  // What the last one took on disk.
  uint64_t checkpoint_bytes() const { return checkpoint_bytes_; }

  // The first error so far.
  absl::Status status() const;

  // Waits until everything is stored. Call at most once, nothing after it.
  // CANCELLED when the call ends meanwhile: what is not yet encoded is dropped.
  absl::StatusOr<std::vector<StoredObject>> Finish();

  // Bytes of blobs encoded and given to the store so far, equal objects counted
  // each time.
  uint64_t stored_bytes() const { return stored_bytes_; }

 private:
  // A chunk, the end of an object, or a checkpoint.
  struct Slot {
    std::unique_ptr<ChunkWork> work;         // null: one of the others
    std::shared_ptr<const ObjectPlan> plan;  // null: a checkpoint
    std::unique_ptr<upload::v1::UploadCheckpoint> checkpoint;
    bool encoded = false;  // guarded by the pipeline's mutex_
    absl::Status status;   // written before `encoded`
  };
  // The object that the storing thread is writing.
  struct OpenObject {
    OpenObject(std::unique_ptr<storage::ObjectWriter> object_writer,
               const ObjectPlan& plan)
        : writer(std::move(object_writer)), hasher(plan) {}
    std::unique_ptr<storage::ObjectWriter> writer;
    ContentHasher hasher;
  };

  absl::Status Push(std::shared_ptr<Slot> slot);
  void EndTask();
  // False: the call is over.
  bool AwaitAllStored() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the storing thread can go on.
  bool HasNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFinished() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Encode(const std::shared_ptr<Slot>& slot);
  void Close();
  void StoreInOrder();
  absl::Status Store(Slot& slot);
  absl::Status OpenObjectFor(const ObjectPlan& plan);
  absl::Status StoreChunk(const ChunkWork& work);
  absl::Status FinishObject(const ObjectPlan& plan);
  absl::Status StoreCheckpoint(upload::v1::UploadCheckpoint* checkpoint);
  // So that it does not expire in the middle of a large object.
  absl::Status KeepCheckpoint();
  int64_t CheckpointExpiry();

  storage::Upload* const upload_;
  const IngestResources resources_;
  size_t objects_begun_ = 0;
  // Encode tasks look at this without the lock: they skip work nobody wants.
  std::atomic<bool> abandoned_ = false;
  std::atomic<uint64_t> stored_bytes_ = 0;
  std::atomic<uint64_t> checkpoint_bytes_ = 0;

  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<Slot>> slots_ ABSL_GUARDED_BY(mutex_);
  size_t tasks_in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool all_stored_ ABSL_GUARDED_BY(mutex_) = false;
  bool call_over_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);

  // Used by the storing thread alone until it is joined.
  std::optional<OpenObject> open_object_;
  std::vector<StoredObject> stored_;
  std::chrono::steady_clock::time_point checkpoint_time_;

  std::thread storing_thread_;
};

}  // namespace qstore::server
