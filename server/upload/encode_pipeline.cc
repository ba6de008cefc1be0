#include "server/upload/encode_pipeline.h"

#include <string>
#include <utility>

#include "base/failpoint.h"
#include "base/status.h"
#include "server/calls/status_mapping.h"
#include "server/limits/disk_reserve.h"

namespace qstore::server {
namespace {

// Bounds the queue for objects without bytes, which take nothing from the byte
// budget.
constexpr size_t kMaxQueuedSlots = 4096;

}  // namespace

EncodePipeline::EncodePipeline(storage::Upload* upload,
                               const IngestResources& resources)
    : upload_(upload), resources_(resources) {
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
    const std::lock_guard lock(mutex_);
    ++tasks_in_flight_;
  }
  absl::Status status = Push(slot);
  if (!status.ok()) {
    const std::lock_guard lock(mutex_);
    --tasks_in_flight_;
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

absl::Status EncodePipeline::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

absl::StatusOr<std::vector<StoredObject>> EncodePipeline::Finish() {
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    while (!changed_.wait_for(lock, ByteBudget::kCancelPollInterval,
                              [&] { return all_stored_; })) {
      lock.unlock();
      if (resources_.cancelled && resources_.cancelled()) {
        abandoned_ = true;
        return ClientGoneError();
      }
      lock.lock();
    }
  }
  Close();
  QSTORE_RETURN_IF_ERROR(status_);
  return std::move(stored_);
}

absl::Status EncodePipeline::Push(std::shared_ptr<Slot> slot) {
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [&] { return slots_.size() < kMaxQueuedSlots || !status_.ok(); });
  if (!status_.ok()) return status_;
  slots_.push_back(std::move(slot));
  changed_.notify_all();
  return absl::OkStatus();
}

void EncodePipeline::Encode(const std::shared_ptr<Slot>& slot) {
  if (abandoned_) {
    slot->status = absl::CancelledError("the upload was abandoned");
  } else {
    const CodecPool::Loan codecs(resources_.codecs);
    slot->status = EncodeChunk(resources_.verify, *codecs, slot->work.get());
  }
  // Notified under the lock: the pipeline may be destroyed once it is released.
  const std::lock_guard lock(mutex_);
  slot->encoded = true;
  --tasks_in_flight_;
  changed_.notify_all();
}

void EncodePipeline::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  if (storing_thread_.joinable()) storing_thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_in_flight_ == 0; });
}

void EncodePipeline::StoreInOrder() {
  while (true) {
    std::shared_ptr<Slot> slot;
    bool failed = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return slots_.empty() ? closed_ : slots_.front()->encoded;
      });
      if (slots_.empty()) break;
      slot = std::move(slots_.front());
      slots_.pop_front();
      failed = !status_.ok();
      changed_.notify_all();
    }
    if (failed || abandoned_) continue;
    if (absl::Status status = Store(*slot); !status.ok()) {
      // What is being encoded for later slots is of no use any more.
      abandoned_ = true;
      const std::lock_guard lock(mutex_);
      status_ = std::move(status);
      changed_.notify_all();
    }
  }
  open_object_.reset();
  const std::lock_guard lock(mutex_);
  all_stored_ = true;
  changed_.notify_all();
}

absl::Status EncodePipeline::Store(Slot& slot) {
  QSTORE_RETURN_IF_ERROR(slot.status);
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
  return absl::OkStatus();
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

}  // namespace qstore::server
