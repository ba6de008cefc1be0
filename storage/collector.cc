#include "storage/collector.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/records/keys.h"

namespace qstore::storage {
namespace {

// Others wait for the mutex while so many objects are looked up and their
// records deleted.
constexpr size_t kObjectsPerBatch = 256;

absl::Status CollectAllRecords(StoreState* state,
                               const std::function<bool()>& stopping) {
  for (bool more = true; more && !stopping();) {
    const absl::MutexLock lock(&state->mutex);
    QSTORE_ASSIGN_OR_RETURN(more,
                            state->objects.CollectRecords(kObjectsPerBatch));
  }
  return absl::OkStatus();
}

absl::Status DeleteDoomedData(StoreState* state,
                              const std::function<bool()>& stopping) {
  std::vector<IdRange> ranges;
  {
    const absl::MutexLock lock(&state->mutex);
    ranges = state->objects.TakeDoomedData();
  }
  absl::Status first_failure;
  std::vector<IdRange> left;
  for (const IdRange& range : ranges) {
    absl::Status status = absl::CancelledError("the store is being closed");
    if (!stopping()) status = DeleteObjectData(&state->blobs(), range);
    if (!status.ok()) left.push_back(range);
    first_failure.Update(status);
  }
  const absl::MutexLock lock(&state->mutex);
  state->objects.ReturnDoomedData(left);
  return Annotate(first_failure, "deleting the data of unused objects");
}

}  // namespace

absl::Status DeleteObjectData(BlobStore* blobs, const IdRange& range) {
  QSTORE_FAILPOINT("collect.data");
  const std::string begin = DataKeyBound(range.first);
  const std::string end = DataKeyBound(range.end);
  absl::Status first_failure;
  for (const Family family : AllFamilies()) {
    first_failure.Update(blobs->DeleteRange(family, begin, end));
  }
  return first_failure;
}

absl::Status CollectGarbage(StoreState* state,
                            const std::function<bool()>& stopping) {
  absl::Status status = CollectAllRecords(state, stopping);
  // Also when records could not be deleted, for which a full disk has no room:
  // this makes some.
  status.Update(DeleteDoomedData(state, stopping));
  return status;
}

Collector::Collector(StoreState* state,
                     std::function<void(const absl::Status&)> report)
    : state_(*state), report_(std::move(report)), thread_([this] { Run(); }) {}

Collector::~Collector() {
  {
    const absl::MutexLock lock(&state_.mutex);
    stopping_ = true;
  }
  thread_.join();
}

bool Collector::IsStopping() const {
  const absl::MutexLock lock(&state_.mutex);
  return stopping_;
}

bool Collector::HasWork() const {
  return stopping_ || asked_count_ != answered_count_ ||
         (state_.objects.has_garbage() &&
          state_.objects.garbage_count() != seen_garbage_count_);
}

absl::Status Collector::WaitUntilCollected(absl::Duration timeout) {
  const absl::MutexLock lock(&state_.mutex);
  const uint64_t asked = ++asked_count_;
  const auto is_answered = [this, asked]()
                               ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
                                 return answered_count_ >= asked;
                               };
  if (!state_.mutex.AwaitWithTimeout(absl::Condition(&is_answered), timeout)) {
    return absl::DeadlineExceededError(
        "what nobody uses any more is still being deleted");
  }
  return outcome_.status;
}

CollectionState Collector::state() const {
  const absl::MutexLock lock(&state_.mutex);
  return outcome_;
}

void Collector::Run() {
  const std::function<bool()> stopping = [this] { return IsStopping(); };
  absl::Status reported;
  state_.mutex.Lock();
  for (;;) {
    const absl::Duration delay =
        outcome_.status.ok() ? absl::InfiniteDuration() : retry_delay_;
    state_.mutex.AwaitWithTimeout(absl::Condition(this, &Collector::HasWork),
                                  delay);
    if (stopping_) break;
    const uint64_t asked = asked_count_;
    seen_garbage_count_ = state_.objects.garbage_count();
    state_.mutex.Unlock();
    absl::Status status = CollectGarbage(&state_, stopping);
    if (report_ != nullptr && status != reported && !IsStopping()) {
      report_(status);
      reported = status;
    }
    state_.mutex.Lock();
    NoteOutcome(status);
    answered_count_ = asked;
  }
  state_.mutex.Unlock();
}

void Collector::NoteOutcome(const absl::Status& status) {
  if (status.ok()) {
    retry_delay_ = kMinRetryDelay;
  } else {
    ++outcome_.failure_count;
    if (!outcome_.status.ok()) {
      retry_delay_ = std::min(2 * retry_delay_, kMaxRetryDelay);
    }
  }
  outcome_.status = status;
}

}  // namespace qstore::storage
