#include "tests/storage/faults.h"

#include <utility>

#include "storage/blobs/forwarding_blob_store.h"
#include "storage/records/forwarding_record_store.h"

namespace qstore::storage {
namespace {

using Call = Faults::Call;

class FaultyRecordStore final : public ForwardingRecordStore {
 public:
  FaultyRecordStore(std::shared_ptr<RecordStore> target, Faults* faults)
      : ForwardingRecordStore(std::move(target)), faults_(*faults) {}

  absl::StatusOr<PinnedValue> Get(std::string_view key) override {
    const absl::Status fault = faults_.NextRead();
    if (!fault.ok()) return fault;
    return target().Get(key);
  }
  absl::Status Commit(const WriteBatch& batch) override {
    return faults_.Run(Call::kCommit, [&] { return target().Commit(batch); });
  }

 private:
  Faults& faults_;
};

class FaultyBulkWriter final : public BulkWriter {
 public:
  FaultyBulkWriter(std::unique_ptr<BulkWriter> writer, Faults* faults)
      : writer_(std::move(writer)), faults_(*faults) {}
  ~FaultyBulkWriter() override {
    if (!ingested_) return;
    if (const auto then = faults_.TakeAfterIngest(); then) then();
  }

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    return faults_.Run(Call::kBulkPut,
                       [&] { return writer_->Put(family, key, value); });
  }
  absl::Status Ingest() override {
    absl::Status status =
        faults_.Run(Call::kIngest, [&] { return writer_->Ingest(); });
    ingested_ = status.ok();
    return status;
  }
  uint64_t size_bytes() const override { return writer_->size_bytes(); }

 private:
  const std::unique_ptr<BulkWriter> writer_;
  Faults& faults_;
  bool ingested_ = false;
};

class FaultyBlobStore final : public ForwardingBlobStore {
 public:
  FaultyBlobStore(std::shared_ptr<BlobStore> target, Faults* faults)
      : ForwardingBlobStore(std::move(target)), faults_(*faults) {}

  void Read(std::vector<BlobKey> keys, ReadDone done) override {
    for (size_t i = 0; i < keys.size(); ++i) {
      const Family family = keys[i].family;
      const absl::Status fault = faults_.NextRead();
      if (!fault.ok()) {
        done(i, fault);
        continue;
      }
      target().Read({std::move(keys[i])},
                    [this, i, family, done](size_t /*index*/,
                                            absl::StatusOr<PinnedValue> value) {
                      if (value.ok()) {
                        value = faults_.DamagedOr(family, *std::move(value));
                      }
                      done(i, std::move(value));
                    });
    }
  }
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override {
    absl::StatusOr<std::unique_ptr<BulkWriter>> writer =
        target().NewBulkWriter();
    if (!writer.ok()) return writer;
    return std::make_unique<FaultyBulkWriter>(*std::move(writer), &faults_);
  }
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    return faults_.Run(Call::kDeleteRange, [&] {
      return target().DeleteRange(family, begin, end);
    });
  }

 private:
  Faults& faults_;
};

}  // namespace

void Faults::FailNth(Call call, int nth, absl::Status status, Effect effect) {
  const absl::MutexLock lock(&mutex_);
  faults_[call] = {nth, std::move(status), effect};
}

void Faults::FailAll(Call call, absl::Status status) {
  const absl::MutexLock lock(&mutex_);
  faults_[call] = {0, std::move(status), Effect::kNone};
}

void Faults::FailRandomly(uint32_t one_in, uint32_t seed) {
  const absl::MutexLock lock(&mutex_);
  random_one_in_ = one_in;
  random_.seed(seed);
}

uint64_t Faults::failed_count() {
  const absl::MutexLock lock(&mutex_);
  return failed_count_;
}

void Faults::Heal() {
  const absl::MutexLock lock(&mutex_);
  random_one_in_ = 0;
  faults_.clear();
  damaged_.clear();
}

void Faults::Hold(Call call) {
  const absl::MutexLock lock(&mutex_);
  held_ = call;
  held_count_ = 0;
}

void Faults::Release() {
  const absl::MutexLock lock(&mutex_);
  held_.reset();
}

int Faults::held_count() {
  const absl::MutexLock lock(&mutex_);
  return held_count_;
}

void Faults::WaitWhileHeld(Call call) {
  const absl::MutexLock lock(&mutex_);
  if (held_ == call) ++held_count_;
  const auto is_free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return held_ != call;
  };
  mutex_.Await(absl::Condition(&is_free));
}

void Faults::AfterNextIngest(std::function<void()> then) {
  const absl::MutexLock lock(&mutex_);
  after_ingest_ = std::move(then);
}

std::function<void()> Faults::TakeAfterIngest() {
  const absl::MutexLock lock(&mutex_);
  return std::exchange(after_ingest_, nullptr);
}

void Faults::DamageReads(Family family) {
  const absl::MutexLock lock(&mutex_);
  damaged_.insert(family);
}

Faults::Fault Faults::Next(Call call) {
  const absl::MutexLock lock(&mutex_);
  Fault fault = NextChosen(call);
  if (fault.status.ok() && random_one_in_ != 0 &&
      random_() % random_one_in_ == 0) {
    fault.status = absl::UnavailableError("random fault");
    fault.effect = random_() % 2 == 0 ? Effect::kNone : Effect::kTaken;
  }
  if (!fault.status.ok()) ++failed_count_;
  return fault;
}

Faults::Fault Faults::NextChosen(Call call) {
  const auto found = faults_.find(call);
  if (found == faults_.end()) return {};
  Fault& fault = found->second;
  if (fault.calls_left == 0) return fault;
  if (--fault.calls_left > 0) return {};
  Fault due = std::move(fault);
  faults_.erase(found);
  return due;
}

PinnedValue Faults::DamagedOr(Family family, PinnedValue value) {
  const absl::MutexLock lock(&mutex_);
  if (value.bytes().empty() || !damaged_.contains(family)) return value;
  auto copy =
      std::make_shared<ByteVector>(value.bytes().begin(), value.bytes().end());
  (*copy)[copy->size() / 2] ^= 0x10;
  const ByteView bytes = *copy;
  return {bytes, std::move(copy)};
}

std::shared_ptr<RecordStore> NewFaultyRecordStore(
    std::shared_ptr<RecordStore> target, Faults* faults) {
  return std::make_shared<FaultyRecordStore>(std::move(target), faults);
}

std::shared_ptr<BlobStore> NewFaultyBlobStore(std::shared_ptr<BlobStore> target,
                                              Faults* faults) {
  return std::make_shared<FaultyBlobStore>(std::move(target), faults);
}

Engine WithFaults(Engine engine, Faults* faults) {
  engine.records = NewFaultyRecordStore(std::move(engine.records), faults);
  engine.blobs = NewFaultyBlobStore(std::move(engine.blobs), faults);
  return engine;
}

}  // namespace qstore::storage
