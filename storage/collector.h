// Deletes what nobody uses any more.
//
// Whoever lets go of an object only says so (ObjectTable); the work is done
// here, by one thread, so that no caller waits for a slow deletion.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/model_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// Deletes the data of `range` in every family.
absl::Status DeleteObjectData(BlobStore* blobs, const IdRange& range);

// Deletes what is garbage now: first the records, some hundreds of objects at a
// time, then the data. The mutex is held while records are deleted, not while
// data is. What could not be deleted stays garbage. `stopping` is asked between
// steps; when it says so, the rest is left.
absl::Status CollectGarbage(StoreState* state,
                            const std::function<bool()>& stopping);

// Collects as soon as there is something, and again after a failure: after
// kMinRetryDelay, then twice as long each time, up to kMaxRetryDelay, or as
// soon as there is something new. Thread-safe.
class Collector {
 public:
  static constexpr absl::Duration kMinRetryDelay = absl::Milliseconds(100);
  static constexpr absl::Duration kMaxRetryDelay = absl::Minutes(1);

  // `report` as in ModelStoreOptions.
  Collector(StoreState* state, std::function<void(const absl::Status&)> report);
  // Waits for the step that is being done: one batch of records or one run of
  // data. The rest is left for the sweep of the next start.
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // See ModelStore::WaitForCollection.
  absl::Status WaitUntilCollected(absl::Duration timeout);

  CollectionState state() const;

 private:
  void Run();
  void NoteOutcome(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  bool IsStopping() const;

  StoreState& state_;
  const std::function<void(const absl::Status&)> report_;

  bool stopping_ ABSL_GUARDED_BY(state_.mutex) = false;
  // Of ObjectTable, when the last collection began.
  uint64_t seen_garbage_count_ ABSL_GUARDED_BY(state_.mutex) = 0;
  // Collections that were asked for, and those of them that are over.
  uint64_t asked_count_ ABSL_GUARDED_BY(state_.mutex) = 0;
  uint64_t answered_count_ ABSL_GUARDED_BY(state_.mutex) = 0;
  CollectionState outcome_ ABSL_GUARDED_BY(state_.mutex);
  absl::Duration retry_delay_ ABSL_GUARDED_BY(state_.mutex) = kMinRetryDelay;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace qstore::storage
