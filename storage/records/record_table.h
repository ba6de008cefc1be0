// Typed access to the records.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/hash.h"
#include "model/object.h"
#include "qstore/storage/v2/manifest.pb.h"
#include "storage/records/keys.h"
#include "storage/records/record_store.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

// Records that are to be written together, sealed as they are added.
class RecordBatch {
 public:
  void PutFormatVersion(uint32_t version);
  void PutNextId(uint64_t next_id);
  // The object and its entry in the index of content hashes.
  void PutObject(const model::Object& object);
  void DeleteObject(uint64_t object_id);
  void DeleteHash(const Sha256Digest& content_hash);
  // The revision, its place in the listing and its references to
  // `object_ids`.
  void PutRevision(const StoredRevision& revision, uint64_t commit_number,
                   const std::set<uint64_t>& object_ids);
  void DeleteRevision(const std::string& model, const std::string& revision,
                      const std::set<uint64_t>& object_ids);
  void PutTag(const std::string& model, const std::string& tag,
              const std::string& revision);
  void DeleteTag(const std::string& model, const std::string& tag);
  void PutUnfinished(uint64_t checkpoint_id,
                     const v2::UnfinishedUpload& unfinished);
  void DeleteUnfinished(uint64_t checkpoint_id);

  const WriteBatch& writes() const { return writes_; }
  bool empty() const { return writes_.empty(); }

 private:
  void Put(std::string key, std::string_view payload);
  void Delete(std::string key);

  WriteBatch writes_;
};

// Thread-safe; one Commit comes after the other. Lookups answer NOT_FOUND when
// the record is absent and DATA_LOSS when it is damaged.
class RecordTable {
 public:
  // Ascending by revision, with its commit number: later is greater.
  using Listing = std::vector<std::pair<std::string, uint64_t>>;
  // Revision by tag.
  using Tags = std::map<std::string, std::string>;

  explicit RecordTable(RecordStore* store) : store_(store) {}

  absl::StatusOr<uint32_t> FormatVersion() const;
  absl::StatusOr<uint64_t> NextId() const;

  absl::StatusOr<model::Object> Object(uint64_t object_id) const;
  absl::StatusOr<uint64_t> ObjectIdOf(const Sha256Digest& content_hash) const;
  absl::StatusOr<bool> IsReferenced(uint64_t object_id) const;
  // All ids, ascending.
  absl::StatusOr<std::vector<uint64_t>> ObjectIds() const;
  absl::StatusOr<std::vector<uint64_t>> ReferencedIds() const;
  // The least id above `object_id` that has a reference.
  absl::StatusOr<std::optional<uint64_t>> NextReferencedId(
      uint64_t object_id) const;
  // Models and revisions that refer to the object, at most `max_count`.
  absl::StatusOr<std::vector<ModelAndRest>> UsersOf(uint64_t object_id,
                                                    size_t max_count) const;

  // The objects that the revision refers to: from its record or, when that is
  // damaged or gone, from all references.
  absl::StatusOr<std::set<uint64_t>> ReferencedIdsOf(
      const std::string& model, const std::string& revision) const;

  absl::StatusOr<StoredRevision> Revision(const std::string& model,
                                          const std::string& revision) const;
  absl::StatusOr<Tags> TagsOf(const std::string& model) const;
  absl::StatusOr<std::string> Tag(const std::string& model,
                                  const std::string& tag) const;
  // Only revisions that start with `prefix`.
  absl::StatusOr<Listing> RevisionsOf(const std::string& model,
                                      const std::string& prefix) const;
  // Names of all models, ascending.
  absl::StatusOr<std::vector<std::string>> Models() const;

  // Ids of what uploads left of themselves, ascending.
  absl::StatusOr<std::vector<uint64_t>> UnfinishedIds() const;
  absl::StatusOr<v2::UnfinishedUpload> Unfinished(uint64_t checkpoint_id) const;

  // Atomic and synced. After a failure nobody knows whether the records would
  // come back when the engine is opened again (they may have reached the log),
  // so the next batch also writes what can be read now under their keys: as
  // soon as any later Commit succeeds, what was refused has not happened.
  absl::Status Commit(const RecordBatch& batch);

 private:
  absl::StatusOr<std::vector<uint64_t>> LeadingIds(
      const std::string& prefix) const;

  RecordStore* const store_;
  absl::Mutex commit_mutex_;
  std::set<std::string> keys_in_doubt_ ABSL_GUARDED_BY(commit_mutex_);
};

}  // namespace qstore::storage
