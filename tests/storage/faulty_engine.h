// A decorator over any engine that fails chosen calls and damages what is read.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "tests/storage/engine_fixture.h"

namespace qstore::storage {

class FaultyEngine final : public BorrowedEngine {
 public:
  enum class Call { kCommit, kBulkPut, kIngest, kDeleteRange, kGet };
  // Whether a call that reports failure has taken effect nevertheless.
  enum class Effect { kNone, kTaken };

  using BorrowedEngine::BorrowedEngine;

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

  // `then` runs once, in the thread of the next ingest, as soon as that is
  // visible and before its caller knows.
  void AfterNextIngest(std::function<void()> then);

  // From now on one bit of every value that Get returns from `family` is
  // different.
  void DamageReads(Family family);

  absl::StatusOr<PinnedValue> Get(Family family, std::string_view key) override;
  absl::Status Commit(const WriteBatch& batch) override;
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override;
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override;

  std::function<void()> TakeAfterIngest();

  // Runs `call`, or what was asked for instead of it.
  template <typename Function>
  absl::Status Run(Call call, const Function& function) {
    WaitWhileHeld(call);
    const Fault fault = Next(call);
    if (fault.status.ok()) return function();
    if (fault.effect == Effect::kTaken) function().IgnoreError();
    return fault.status;
  }

 private:
  struct Fault {
    int calls_left = 0;  // 0: every call
    absl::Status status;
    Effect effect = Effect::kNone;
  };
  Fault Next(Call call);

  Fault NextChosen(Call call);  // requires the mutex
  void WaitWhileHeld(Call call);

  std::mutex mutex_;
  uint64_t failed_count_ = 0;           // guarded by mutex_
  uint32_t random_one_in_ = 0;          // guarded by mutex_; 0: none
  std::minstd_rand random_;             // guarded by mutex_
  std::map<Call, Fault> faults_;        // guarded by mutex_
  std::set<Family> damaged_;            // guarded by mutex_
  std::function<void()> after_ingest_;  // guarded by mutex_
  std::optional<Call> held_;            // guarded by mutex_
  int held_count_ = 0;                  // guarded by mutex_
  std::condition_variable released_;
};

}  // namespace qstore::storage
