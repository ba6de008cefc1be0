#include "tests/storage/faulty_engine.h"

#include <utility>

namespace qstore::storage {
namespace {

class FaultyBulkWriter final : public BulkWriter {
 public:
  FaultyBulkWriter(FaultyEngine* engine, std::unique_ptr<BulkWriter> writer)
      : engine_(*engine), writer_(std::move(writer)) {}

  absl::Status Put(Family family, std::string_view key,
                   ByteView value) override {
    return engine_.Run(FaultyEngine::Call::kBulkPut,
                       [&] { return writer_->Put(family, key, value); });
  }
  absl::Status Ingest() override {
    absl::Status status = engine_.Run(FaultyEngine::Call::kIngest,
                                      [&] { return writer_->Ingest(); });
    if (const auto then = engine_.TakeAfterIngest(); then) then();
    return status;
  }
  uint64_t size_bytes() const override { return writer_->size_bytes(); }

 private:
  FaultyEngine& engine_;
  std::unique_ptr<BulkWriter> writer_;
};

}  // namespace

void FaultyEngine::FailNth(Call call, int nth, absl::Status status,
                           Effect effect) {
  const std::lock_guard lock(mutex_);
  faults_[call] = {nth, std::move(status), effect};
}

void FaultyEngine::FailAll(Call call, absl::Status status) {
  const std::lock_guard lock(mutex_);
  faults_[call] = {0, std::move(status), Effect::kNone};
}

void FaultyEngine::FailRandomly(uint32_t one_in, uint32_t seed) {
  const std::lock_guard lock(mutex_);
  random_one_in_ = one_in;
  random_.seed(seed);
}

uint64_t FaultyEngine::failed_count() {
  const std::lock_guard lock(mutex_);
  return failed_count_;
}

void FaultyEngine::Heal() {
  const std::lock_guard lock(mutex_);
  random_one_in_ = 0;
  faults_.clear();
  damaged_.clear();
}

void FaultyEngine::Hold(Call call) {
  const std::lock_guard lock(mutex_);
  held_ = call;
  held_count_ = 0;
}

void FaultyEngine::Release() {
  const std::lock_guard lock(mutex_);
  held_.reset();
  released_.notify_all();
}

int FaultyEngine::held_count() {
  const std::lock_guard lock(mutex_);
  return held_count_;
}

void FaultyEngine::WaitWhileHeld(Call call) {
  std::unique_lock lock(mutex_);
  if (held_ == call) ++held_count_;
  released_.wait(lock, [&] { return held_ != call; });
}

void FaultyEngine::AfterNextIngest(std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  after_ingest_ = std::move(then);
}

std::function<void()> FaultyEngine::TakeAfterIngest() {
  const std::lock_guard lock(mutex_);
  return std::exchange(after_ingest_, nullptr);
}

void FaultyEngine::DamageReads(Family family) {
  const std::lock_guard lock(mutex_);
  damaged_.insert(family);
}

FaultyEngine::Fault FaultyEngine::Next(Call call) {
  const std::lock_guard lock(mutex_);
  Fault fault = NextChosen(call);
  if (fault.status.ok() && random_one_in_ != 0 &&
      random_() % random_one_in_ == 0) {
    fault.status = absl::UnavailableError("random fault");
    fault.effect = random_() % 2 == 0 ? Effect::kNone : Effect::kTaken;
  }
  if (!fault.status.ok()) ++failed_count_;
  return fault;
}

FaultyEngine::Fault FaultyEngine::NextChosen(Call call) {
  const auto found = faults_.find(call);
  if (found == faults_.end()) return {};
  Fault& fault = found->second;
  if (fault.calls_left == 0) return fault;
  if (--fault.calls_left > 0) return {};
  Fault due = std::move(fault);
  faults_.erase(found);
  return due;
}

absl::StatusOr<PinnedValue> FaultyEngine::Get(Family family,
                                              std::string_view key) {
  const Fault fault = Next(Call::kGet);
  if (!fault.status.ok()) return fault.status;
  absl::StatusOr<PinnedValue> value = engine_.Get(family, key);
  const std::lock_guard lock(mutex_);
  if (!value.ok() || value->bytes().empty() || !damaged_.contains(family)) {
    return value;
  }
  auto copy = std::make_shared<ByteVector>(value->bytes().begin(),
                                           value->bytes().end());
  (*copy)[copy->size() / 2] ^= 0x10;
  const ByteView bytes = *copy;
  return PinnedValue(bytes, std::move(copy));
}

absl::Status FaultyEngine::Commit(const WriteBatch& batch) {
  return Run(Call::kCommit, [&] { return engine_.Commit(batch); });
}

absl::StatusOr<std::unique_ptr<BulkWriter>> FaultyEngine::NewBulkWriter() {
  absl::StatusOr<std::unique_ptr<BulkWriter>> writer = engine_.NewBulkWriter();
  if (!writer.ok()) return writer;
  return std::make_unique<FaultyBulkWriter>(this, *std::move(writer));
}

absl::Status FaultyEngine::DeleteRange(Family family, std::string_view begin,
                                       std::string_view end) {
  return Run(Call::kDeleteRange,
             [&] { return engine_.DeleteRange(family, begin, end); });
}

}  // namespace qstore::storage
