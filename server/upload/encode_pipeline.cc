#include "server/upload/encode_pipeline.h"

#include <ctime>
#include <string>
#include <utility>

#include "base/cancellation_watch.h"
#include "base/check.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "server/calls/status_mapping.h"
#include "server/limits/disk_reserve.h"

namespace qstore::server {
namespace {

// Bounds the queue for objects without bytes, which take nothing from the byte
// budget.
constexpr size_t kMaxQueuedSlots = 4096;

// How often in a window the time is moved until which a checkpoint stays.
constexpr int kCheckpointExtensions = 16;

}  // namespace

EncodePipeline::EncodePipeline(storage::Upload* upload,
                               const IngestResources& resources,
                               std::vector<StoredObject> stored,
                               uint64_t stored_bytes)
    : upload_(upload),
      resources_(resources),
      objects_begun_(stored.size()),
      stored_bytes_(stored_bytes),
      stored_(std::move(stored)),
      checkpoint_time_(std::chrono::steady_clock::now()) {
  storing_thread_ = std::thread([this] { StoreInOrder(); });
}

EncodePipeline::~EncodePipeline() {
  abandoned_ = true;
  Close();
}

absl::Status EncodePipeline::Reserve(uint64_t raw_bytes,
                                     ChunkWork* work) const {
  // Two leases, since the received bytes go first. Uploads that hold one while
  // they wait for the other cannot block each other: the budget covers
  // kMaxChunkLeaseBytes for each of them (Daemon::Start checks it).
  auto raw = resources_.budget->AcquireUnless(raw_bytes, resources_.cancelled);
  if (!raw.has_value()) return ClientGoneError();
  work->raw_lease = *std::move(raw);
  auto encoded = resources_.budget->AcquireUnless(EncodedLeaseBytes(raw_bytes),
                                                  resources_.cancelled);
  if (!encoded.has_value()) return ClientGoneError();
  work->encoded_lease = *std::move(encoded);
  return absl::OkStatus();
}

absl::Status EncodePipeline::SubmitChunk(std::unique_ptr<ChunkWork> work) {
  auto slot = std::make_shared<Slot>();
  slot->plan = work->plan;
  slot->work = std::move(work);
  {
    const absl::MutexLock lock(&mutex_);
    ++tasks_in_flight_;
  }
  absl::Status status = Push(slot);
  if (!status.ok()) {
    EndTask();
    return status;
  }
  resources_.encode_pool->Submit([this, slot] { Encode(slot); });
  return absl::OkStatus();
}

absl::StatusOr<size_t> EncodePipeline::EndObject(
    std::shared_ptr<const ObjectPlan> plan) {
  auto slot = std::make_shared<Slot>();
  slot->plan = std::move(plan);
  slot->encoded = true;
  QSTORE_RETURN_IF_ERROR(Push(std::move(slot)));
  return objects_begun_++;
}

absl::Status EncodePipeline::SubmitCheckpoint(
    std::unique_ptr<upload::v1::UploadCheckpoint> checkpoint) {
  auto slot = std::make_shared<Slot>();
  slot->checkpoint = std::move(checkpoint);
  slot->encoded = true;
  return Push(std::move(slot));
}

absl::Status EncodePipeline::status() const {
  const absl::MutexLock lock(&mutex_);
  return status_;
}

absl::StatusOr<std::vector<StoredObject>> EncodePipeline::Finish() {
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  bool stored = false;
  if (resources_.cancelled) {
    const std::function<void()> wake = [this] {
      const absl::MutexLock lock(&mutex_);
      call_over_ = true;
    };
    const CancellationWatch::Waiter waiter(resources_.cancellations,
                                           resources_.cancelled, wake);
    stored = AwaitAllStored();
  } else {
    stored = AwaitAllStored();
  }
  if (!stored) {
    abandoned_ = true;
    return ClientGoneError();
  }
  Close();
  QSTORE_RETURN_IF_ERROR(status());
  QSTORE_DCHECK(stored_.size() == objects_begun_);
  return std::move(stored_);
}

bool EncodePipeline::AwaitAllStored() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &EncodePipeline::IsFinished));
  return all_stored_;
}

bool EncodePipeline::IsFinished() const { return all_stored_ || call_over_; }

bool EncodePipeline::HasRoom() const {
  return slots_.size() < kMaxQueuedSlots || !status_.ok();
}

absl::Status EncodePipeline::Push(std::shared_ptr<Slot> slot) {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(!closed_);
  mutex_.Await(absl::Condition(this, &EncodePipeline::HasRoom));
  if (!status_.ok()) return status_;
  slots_.push_back(std::move(slot));
  return absl::OkStatus();
}

void EncodePipeline::Encode(const std::shared_ptr<Slot>& slot) {
  if (abandoned_) {
    slot->status = absl::CancelledError("the upload was abandoned");
  } else {
    const CodecPool::Loan codecs(resources_.codecs);
    slot->status = EncodeChunk(resources_.verify, *codecs, slot->work.get());
  }
  const absl::MutexLock lock(&mutex_);
  slot->encoded = true;
  // The pipeline may be destroyed once the lock is free.
  QSTORE_DCHECK(tasks_in_flight_ > 0);
  --tasks_in_flight_;
}

void EncodePipeline::EndTask() {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(tasks_in_flight_ > 0);
  --tasks_in_flight_;
}

void EncodePipeline::Close() {
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  if (storing_thread_.joinable()) storing_thread_.join();
  const absl::MutexLock lock(&mutex_);
  const auto are_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return tasks_in_flight_ == 0;
  };
  mutex_.Await(absl::Condition(&are_over));
  QSTORE_DCHECK(slots_.empty());
}

bool EncodePipeline::HasNext() const {
  return slots_.empty() ? closed_ : slots_.front()->encoded;
}

void EncodePipeline::StoreInOrder() {
  while (true) {
    std::shared_ptr<Slot> slot;
    bool failed = false;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &EncodePipeline::HasNext));
      if (slots_.empty()) break;
      slot = std::move(slots_.front());
      slots_.pop_front();
      QSTORE_DCHECK(slot->encoded);
      failed = !status_.ok();
    }
    if (failed || abandoned_) continue;
    if (absl::Status status = Store(*slot); !status.ok()) {
      // What is being encoded for later slots is of no use any more.
      abandoned_ = true;
      const absl::MutexLock lock(&mutex_);
      status_ = std::move(status);
    }
  }
  open_object_.reset();
  const absl::MutexLock lock(&mutex_);
  all_stored_ = true;
}

absl::Status EncodePipeline::Store(Slot& slot) {
  QSTORE_RETURN_IF_ERROR(slot.status);
  if (slot.checkpoint != nullptr) return StoreCheckpoint(slot.checkpoint.get());
  QSTORE_FAILPOINT("encode.store");
  if (!open_object_) {
    QSTORE_RETURN_IF_ERROR(
        Annotate(OpenObjectFor(*slot.plan), slot.plan->label));
  }
  return Annotate(
      slot.work != nullptr ? StoreChunk(*slot.work) : FinishObject(*slot.plan),
      slot.plan->label);
}

absl::Status EncodePipeline::OpenObjectFor(const ObjectPlan& plan) {
  QSTORE_ASSIGN_OR_RETURN(auto writer, upload_->AddObject());
  open_object_.emplace(std::move(writer), plan);
  return absl::OkStatus();
}

absl::Status EncodePipeline::StoreChunk(const ChunkWork& work) {
  open_object_->hasher.AddChunk(work.record.raw_bytes, work.raw_sha256);
  std::vector<storage::LayerToStore> layers;
  layers.reserve(work.layers.size());
  uint64_t stored_bytes = 0;
  for (const codec::EncodedLayer& layer : work.layers) {
    layers.push_back({layer.layer->number, layer.blobs, layer.decoded_xxh3});
    for (const codec::EncodedBlob& blob : layer.blobs) {
      stored_bytes += blob.bytes.size();
    }
  }
  // Here, where it is known how much is about to be written.
  if (resources_.disk_reserve != nullptr) {
    QSTORE_RETURN_IF_ERROR(resources_.disk_reserve->Check(stored_bytes));
  }
  stored_bytes_ += stored_bytes;
  QSTORE_RETURN_IF_ERROR(open_object_->writer->AddChunk(work.record, layers));
  QSTORE_FAILPOINT("encode.stored");
  return KeepCheckpoint();
}

absl::Status EncodePipeline::FinishObject(const ObjectPlan& plan) {
  StoredObject stored;
  stored.content_hash = open_object_->hasher.Finish();
  model::Object record = plan.record;
  record.content_hash = stored.content_hash;
  QSTORE_ASSIGN_OR_RETURN(stored.object_id,
                          open_object_->writer->Finish(std::move(record)));
  open_object_.reset();
  stored_.push_back(stored);
  return absl::OkStatus();
}

absl::Status EncodePipeline::StoreCheckpoint(
    upload::v1::UploadCheckpoint* checkpoint) {
  QSTORE_DCHECK(!open_object_);
  checkpoint->set_stored_bytes(stored_bytes_);
  for (const StoredObject& object : stored_) {
    checkpoint->add_content_hashes(
        std::string(AsStringView(object.content_hash)));
  }
  const std::string payload = checkpoint->SerializeAsString();
  QSTORE_RETURN_IF_ERROR(upload_->Checkpoint(payload, CheckpointExpiry()));
  checkpoint_bytes_ = payload.size();
  return absl::OkStatus();
}

absl::Status EncodePipeline::KeepCheckpoint() {
  const std::chrono::seconds window = resources_.checkpoints.window;
  const auto age = std::chrono::steady_clock::now() - checkpoint_time_;
  if (window.count() == 0 ||
      age < std::chrono::milliseconds(window) / kCheckpointExtensions) {
    return absl::OkStatus();
  }
  return upload_->ExtendCheckpoint(CheckpointExpiry());
}

int64_t EncodePipeline::CheckpointExpiry() {
  checkpoint_time_ = std::chrono::steady_clock::now();
  return static_cast<int64_t>(std::time(nullptr)) +
         resources_.checkpoints.window.count();
}

}  // namespace qstore::server
