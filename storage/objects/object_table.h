// Which objects are there, who uses them, and which are garbage.
//
// An object may be used by revisions (reference records) and, in memory, by
// uploads and readers (pins). Lookup, pinning and the decision to collect are
// made under one mutex, so that nothing is collected between being found and
// being pinned. Bulk data is written and deleted outside it.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "storage/objects/object_summary.h"
#include "storage/records/record_table.h"

namespace qstore::storage {

// Object ids [first, end).
struct IdRange {
  uint64_t first = 0;
  uint64_t end = 0;
};

// Not thread-safe: StoreState guards it by its mutex.
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

  void Pin(uint64_t object_id);
  void Unpin(uint64_t object_id);
  uint64_t pin_count(uint64_t object_id) const;

  // Whether the object is known to have no reference: such objects are deleted
  // when nobody pins them.
  void MarkReferenced(uint64_t object_id);
  void MarkUnreferenced(uint64_t object_id);

  // Content hashes whose data is being ingested by some upload. Others wait
  // until there is none instead of storing the same object twice.
  bool IsNoneIngesting(const std::vector<Sha256Digest>& hashes) const;
  void BeginIngesting(const Sha256Digest& content_hash) {
    ingesting_.insert(content_hash);
  }
  void EndIngesting(const Sha256Digest& content_hash) {
    ingesting_.erase(content_hash);
  }

  // Whether there is something to collect, and how often something new has
  // become so.
  bool has_garbage() const { return !collectable_.empty() || !doomed_.empty(); }
  uint64_t garbage_count() const { return garbage_count_; }

  // Deletes the records of objects that have neither reference nor pin, in one
  // batch; their data goes into the list below. Looks at `max_count` objects.
  // Returns whether there are more.
  absl::StatusOr<bool> CollectRecords(size_t max_count);

  // Data that no record names and that is yet to be deleted.
  void AddDoomedData(uint64_t object_id);
  std::vector<IdRange> TakeDoomedData();
  // What was taken and could not be deleted: no new garbage.
  void ReturnDoomedData(const std::vector<IdRange>& ranges);

 private:
  RecordTable* const records_;
  uint64_t next_id_;
  std::unordered_map<uint64_t, uint64_t> pin_counts_;
  std::set<uint64_t> unreferenced_;
  std::set<uint64_t> collectable_;  // unreferenced and not pinned
  std::set<uint64_t> damaged_;
  std::set<Sha256Digest> ingesting_;
  std::vector<IdRange> doomed_;
  uint64_t garbage_count_ = 0;
};

}  // namespace qstore::storage
