// A decorator over any engine that fails chosen calls and damages what is read.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "tests/storage/engine_fixture.h"

namespace qstore::storage {

class FaultyEngine final : public BorrowedEngine {
 public:
  enum class Call { kCommit, kBulkPut, kIngest, kDeleteRange };
  // Whether a call that reports failure has taken effect nevertheless.
  enum class Effect { kNone, kTaken };

  using BorrowedEngine::BorrowedEngine;

  // The `nth` call from now fails (1: the next), others do not.
  void FailNth(Call call, int nth, absl::Status status,
               Effect effect = Effect::kNone);
  // All calls fail until Heal.
  void FailAll(Call call, absl::Status status);
  void Heal();

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

  std::mutex mutex_;
  std::map<Call, Fault> faults_;        // guarded by mutex_
  std::set<Family> damaged_;            // guarded by mutex_
  std::function<void()> after_ingest_;  // guarded by mutex_
};

}  // namespace qstore::storage
