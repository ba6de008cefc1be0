// Which objects are there, who uses them, and which are garbage.
//
// An object may be used by revisions (reference records) and, in memory, by
// uploads and readers (pins). Lookup, pinning and the decision to collect are
// made under one mutex, so that nothing is collected between being found and
// being pinned. Bulk data is written and deleted outside it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "storage/engine.h"
#include "storage/object_summary.h"
#include "storage/records/record_table.h"

namespace qstore::storage {

// Object ids [first, end).
struct IdRange {
  uint64_t first = 0;
  uint64_t end = 0;
};

// Deletes the data of `range` in every data family.
absl::Status DeleteObjectData(Engine* engine, const IdRange& range);

// Every method requires the mutex of the StoreState that this belongs to.
class ObjectTable {
 public:
  ObjectTable(RecordTable* records, uint64_t next_id)
      : records_(records), next_id_(next_id) {}

  // Takes `count` consecutive ids; they are never given again, also not after a
  // restart once one of them or a later one is in a record.
  uint64_t TakeIds(uint64_t count);
  uint64_t next_id() const { return next_id_; }

  // The object with this content hash, pinned. An object whose record is
  // damaged counts as absent, so that a new upload stores it again.
  absl::StatusOr<std::optional<ObjectSummary>> FindAndPin(
      const Sha256Digest& content_hash);

  // The object's data turned out to be damaged: from now on a new upload of
  // equal content stores it again instead of using it. Lasting if the disk
  // allows, otherwise until the store is closed.
  void MarkDamaged(uint64_t object_id);
  bool IsDamaged(uint64_t object_id) const {
    return damaged_.contains(object_id);
  }

  void Pin(uint64_t object_id) { ++pin_counts_[object_id]; }
  void Unpin(uint64_t object_id);

  // Whether the object is known to have no reference: such objects are deleted
  // when nobody pins them.
  void MarkReferenced(uint64_t object_id) { unreferenced_.erase(object_id); }
  void MarkUnreferenced(uint64_t object_id) { unreferenced_.insert(object_id); }

  // Content hashes whose data is being ingested by some upload. Others wait for
  // it (`lock` holds the mutex) instead of storing the same object twice.
  void WaitUntilNoneIngesting(const std::vector<Sha256Digest>& hashes,
                              std::unique_lock<std::mutex>* lock);
  void BeginIngesting(const Sha256Digest& content_hash) {
    ingesting_.insert(content_hash);
  }
  void EndIngesting(const Sha256Digest& content_hash);

  // Deletes the records of all objects that have neither reference nor pin, in
  // one batch; their data goes into the list below. Returns the bytes they
  // took.
  absl::StatusOr<uint64_t> CollectRecords();

  // Data that no record names and that is yet to be deleted.
  void AddDoomedData(uint64_t object_id);
  void AddDoomedData(const IdRange& range) { doomed_.push_back(range); }
  std::vector<IdRange> TakeDoomedData();

 private:
  RecordTable* const records_;
  uint64_t next_id_;
  std::unordered_map<uint64_t, uint64_t> pin_counts_;
  std::set<uint64_t> unreferenced_;
  std::set<uint64_t> damaged_;
  std::set<Sha256Digest> ingesting_;
  std::condition_variable ingested_;
  std::vector<IdRange> doomed_;
};

// What the store's classes share.
struct StoreState {
  StoreState(std::unique_ptr<Engine> engine_in, uint64_t next_id)
      : engine(std::move(engine_in)),
        records(engine.get()),
        objects(&records, next_id) {}

  const std::unique_ptr<Engine> engine;
  RecordTable records;  // lookups at any time, Commit under `mutex`
  std::mutex mutex;
  ObjectTable objects;  // guarded by mutex
};

// Deletes what is garbage now, records first. Takes the mutex, but not while
// data is deleted; data that cannot be deleted is tried again by the next
// collection. Returns the bytes given back.
absl::StatusOr<uint64_t> CollectGarbage(StoreState* state);

}  // namespace qstore::storage
