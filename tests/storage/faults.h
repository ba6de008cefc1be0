// Decorators over any stores that fail chosen calls and damage what is read.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/engine.h"

namespace qstore::storage {

// What goes wrong. Thread-safe.
class Faults {
 public:
  enum class Call { kCommit, kBulkPut, kIngest, kDeleteRange, kGet };
  // Whether a call that reports failure has taken effect nevertheless.
  enum class Effect { kNone, kTaken };

  // The `nth` call from now fails (1: the next), others do not.
  void FailNth(Call call, int nth, absl::Status status,
               Effect effect = Effect::kNone);
  // All calls fail until Heal.
  void FailAll(Call call, absl::Status status);
  // Of every call of any kind one in `one_in` fails; in half of the cases it
  // has taken effect nevertheless, as when an acknowledgement is lost. Until
  // Heal.
  void FailRandomly(uint32_t one_in, uint32_t seed);
  void Heal();

  // Calls of this kind stand still until Release, and go on from there.
  void Hold(Call call);
  void Release();
  // How many have come to a standstill since Hold.
  int held_count();

  // How many calls have failed because of all this.
  uint64_t failed_count();

  // `then` runs once, in the thread that ingests next, when the writer goes:
  // what it brought can be found, and whoever ingested it does not know yet.
  void AfterNextIngest(std::function<void()> then);

  // From now on one bit of every value that is read from `family` is different.
  void DamageReads(Family family);

  // For the decorators:

  // Runs `call`, or what was asked for instead of it.
  template <typename Function>
  absl::Status Run(Call call, const Function& function) {
    WaitWhileHeld(call);
    const Fault fault = Next(call);
    if (fault.status.ok()) return function();
    if (fault.effect == Effect::kTaken) function().IgnoreError();
    return fault.status;
  }
  // The error that a read is to have; OK for none.
  absl::Status NextRead() { return Next(Call::kGet).status; }
  PinnedValue DamagedOr(Family family, PinnedValue value);
  std::function<void()> TakeAfterIngest();

 private:
  struct Fault {
    int calls_left = 0;  // 0: every call
    absl::Status status;
    Effect effect = Effect::kNone;
  };
  Fault Next(Call call);
  Fault NextChosen(Call call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitWhileHeld(Call call);

  absl::Mutex mutex_;
  uint64_t failed_count_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t random_one_in_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_);
  std::map<Call, Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::set<Family> damaged_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> after_ingest_ ABSL_GUARDED_BY(mutex_);
  std::optional<Call> held_ ABSL_GUARDED_BY(mutex_);
  int held_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// `faults` must outlive them.
std::shared_ptr<RecordStore> NewFaultyRecordStore(
    std::shared_ptr<RecordStore> target, Faults* faults);
std::shared_ptr<BlobStore> NewFaultyBlobStore(std::shared_ptr<BlobStore> target,
                                              Faults* faults);
// Both.
Engine WithFaults(Engine engine, Faults* faults);

}  // namespace qstore::storage
