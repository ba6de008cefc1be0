// Models, revisions, tags and objects over an Engine. docs/format.md lists keys
// and records; docs/architecture.md tells the life of an upload.
//
// An upload adds objects, then commits one revision; until Commit returns OK
// nothing of it can be seen, and what an abandoned upload wrote is deleted.
// Equal objects (by content hash) are stored once. Thread-safe; the classes
// returned are used by one thread at a time and must not outlive the store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "model/manifest.h"
#include "model/names.h"
#include "model/object.h"
#include "model/read_plan.h"
#include "storage/engine.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

struct ModelSummary {
  std::string name;
  struct Tag {
    std::string name;
    std::string revision;
  };
  std::vector<Tag> tags;               // ascending by name
  std::vector<std::string> revisions;  // newest first
};

struct DeleteResult {
  std::string revision;
  std::vector<std::string> removed_tags;
  bool revision_deleted = false;  // false: other tags still name it
  // What the deleted revision's record says that it took, shared objects
  // included; 0 when the record cannot be read.
  uint64_t stored_bytes = 0;
  // What of that nobody needs any more, as the records of its objects say: the
  // collector gives it back within moments. What a reader still holds, or an
  // upload, is not in it, nor what another revision uses.
  uint64_t reclaimed_bytes = 0;
};

// How the deletion of what nobody uses any more goes on; it has a thread of its
// own.
struct CollectionState {
  // Attempts that failed since the store was opened.
  uint64_t failure_count = 0;
  // Of the last attempt. After a failure the space is not back yet; there will
  // be another attempt within a minute.
  absl::Status status;
};

struct ModelStoreOptions {
  // Called with the error when a collection fails as the one before did not,
  // and with OK when all is well again; by the collector's thread.
  std::function<void(const absl::Status&)> report_collection = nullptr;
};

// What was found and deleted when the store was opened: leftovers of a process
// that was killed.
struct SweepReport {
  uint64_t object_count = 0;  // objects that nobody names
  // Unfinished uploads that had expired or cannot be gone on with.
  uint64_t upload_count = 0;
  uint64_t data_range_count = 0;  // runs of data that no object names
  uint64_t unfinished_bytes = 0;  // files that were being written
  uint64_t reclaimed_bytes = 0;   // by deleting objects and data
  // The first thing that could not be swept; the store works, leftovers may
  // remain.
  absl::Status problem;
};

// One layer of a chunk on its way in.
struct LayerToStore {
  codec::LayerNumber layer = codec::kNoLayer;
  std::span<const codec::EncodedBlob> blobs;  // ascending by subgroup
  std::span<const uint64_t> decoded_xxh3;
};

class ModelStore;

// Adds one object, chunk by chunk.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  // Chunks come in order. `chunk` has everything but its layers, which are
  // filled in here, with sizes and checksums of what is stored; `layers` come
  // bottom first.
  virtual absl::Status AddChunk(model::Chunk chunk,
                                std::span<const LayerToStore> layers) = 0;
  // `object` has everything but id and chunks. Returns the id: that of an equal
  // object if the store has one, in which case what was added is dropped.
  virtual absl::StatusOr<uint64_t> Finish(model::Object object) = 0;
};

class Upload {
 public:
  // Without Commit: deletes what this upload added and nobody else uses, and
  // its checkpoint.
  virtual ~Upload() = default;

  // An object with this content hash, if the store has one; it stays while the
  // upload lives.
  virtual absl::StatusOr<std::optional<uint64_t>> FindObject(
      const Sha256Digest& content_hash) = 0;

  // At most one writer at a time; a writer destroyed before Finish leaves
  // nothing.
  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> AddObject() = 0;

  // Asked by Commit, with the complete revision, before it adds one that it
  // does not replace; its error becomes Commit's, and nothing is stored. It
  // must not call the store, whose lock is held.
  using CommitCheck = std::function<absl::Status(const StoredRevision&)>;
  virtual void set_commit_check(CommitCheck check) = 0;

  struct CommitResult {
    StoredRevision revision;  // complete
    bool created = false;     // false: the same revision was there already
    // Created in place of the same revision, some objects of which were
    // damaged.
    bool replaced = false;
    // What the tag named before; empty: nothing, or this revision.
    std::string moved_from;
  };
  // Remembers durably what was added so far, with `payload`, from which its
  // caller can go on after the process has ended: objects that the upload holds
  // now stay until then (ModelStore::TakeUnfinishedUploads). Replaces the
  // checkpoint before. No writer exists. After an error the upload is of no
  // use.
  virtual absl::Status Checkpoint(const std::string& payload,
                                  int64_t expires_unix_seconds) = 0;
  // The last checkpoint, if any, stays until then instead.
  virtual absl::Status ExtendCheckpoint(int64_t expires_unix_seconds) = 0;
  // The process is about to end: destroying this leaves the last checkpoint,
  // and what it holds, for the next Open. False: there is none.
  virtual bool LeaveCheckpoint() = 0;

  // Commits the revision and moves `tag` (unless empty) to it, durably and at
  // once. `draft` holds model, files and quantizer; the rest is filled in
  // here, the revision id from the content. Call at most once.
  virtual absl::StatusOr<CommitResult> Commit(StoredRevision draft,
                                              const std::string& tag) = 0;
};

// What Upload::Checkpoint remembered of an upload whose process has ended.
struct UnfinishedUpload {
  std::unique_ptr<Upload> upload;  // holds the objects again
  std::string model;
  std::string payload;
  int64_t expires_unix_seconds = 0;
};

// A revision held for reading: its objects stay while this lives, also when it
// is deleted meanwhile.
class RevisionReader {
 public:
  virtual ~RevisionReader() = default;
  virtual const StoredRevision& revision() const = 0;
  virtual absl::StatusOr<model::Object> GetObject(uint64_t object_id) = 0;
  // A stored value, pinned, checked against size and XXH3 of `value`: DATA_LOSS
  // when they differ. The message names layer, object, chunk and subgroup; the
  // caller adds model and tensor.
  virtual absl::StatusOr<PinnedValue> GetValue(
      uint64_t object_id, uint32_t chunk_index,
      const model::ValueAddress& value) = 0;
};

// One object held for reading: it stays while this lives.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual uint64_t object_id() const = 0;
  // As RevisionReader has them.
  virtual absl::StatusOr<model::Object> GetObject() = 0;
  virtual absl::StatusOr<PinnedValue> GetValue(
      uint32_t chunk_index, const model::ValueAddress& value) = 0;
};

// A place where a revision uses an object. No file when the revision's record
// is damaged; no tensor when the object is a file or a file's header.
struct ObjectUse {
  std::string model;
  std::string revision;
  std::string file;
  std::string tensor;
};

class ModelStore {
 public:
  // Checks the store's format version (FAILED_PRECONDITION when it is not one
  // that this build reads) and deletes data that neither a revision nor an
  // unfinished upload names, of which sweep_report() tells.
  static absl::StatusOr<std::unique_ptr<ModelStore>> Open(
      Engine engine, const ModelStoreOptions& options = {});
  // Ends the collection with the step that it is at: what remains is swept by
  // the next Open.
  virtual ~ModelStore() = default;

  virtual absl::StatusOr<std::unique_ptr<Upload>> BeginUpload(
      const std::string& model) = 0;

  // Uploads that Open found unfinished and not expired, the first to expire
  // first; once. Those that nobody takes stay for the next Open.
  virtual std::vector<UnfinishedUpload> TakeUnfinishedUploads() = 0;

  // NOT_FOUND names model and tag or revision; a revision prefix that fits
  // several revisions is INVALID_ARGUMENT.
  virtual absl::StatusOr<std::unique_ptr<RevisionReader>> OpenRevision(
      const ModelReference& reference) = 0;

  virtual absl::StatusOr<std::vector<ModelSummary>> ListModels() = 0;
  virtual absl::StatusOr<ModelSummary> GetModel(const std::string& model) = 0;

  // Points `tag` at the revision that `reference` names; returns its id.
  virtual absl::StatusOr<std::string> SetTag(const ModelReference& reference,
                                             const std::string& tag) = 0;

  // By tag: removes the tag, and the revision with it when no other tag names
  // it. By revision: removes the revision and every tag that names it. The
  // records are gone when it returns; the space comes back after that.
  virtual absl::StatusOr<DeleteResult> Delete(
      const ModelReference& reference) = 0;

  // The object with the least id above `object_id` that a revision uses; null
  // when there is none. Starting from 0, one call after the other sees each.
  virtual absl::StatusOr<std::unique_ptr<ObjectReader>> OpenNextObject(
      uint64_t object_id) = 0;
  // One place for each revision that uses the object, at most `max_count`.
  virtual absl::StatusOr<std::vector<ObjectUse>> UsesOf(uint64_t object_id,
                                                        size_t max_count) = 0;

  // Copies the store as it is at one moment, as Engine::checkpoint says;
  // UNIMPLEMENTED when the engine keeps no files.
  // Of uploads that run, their checkpoints are part of the copy; Open sweeps
  // what else they had added so far.
  virtual absl::Status Checkpoint(const std::filesystem::path& directory) = 0;

  // Writes a little, durably, which changes nothing: whether the store takes
  // writes.
  virtual absl::Status TryWriting() = 0;

  // Waits until everything that nobody uses now has been deleted, or has been
  // tried: then the error says why it is still there. DEADLINE_EXCEEDED when
  // that takes longer. For a clean stop, and for tests.
  virtual absl::Status WaitForCollection(absl::Duration timeout) = 0;
  virtual CollectionState collection_state() const = 0;

  // Of Open; for the log.
  virtual const SweepReport& sweep_report() const = 0;
};

}  // namespace qstore::storage
