#include "storage/model_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "base/error_reason.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "storage/collector.h"
#include "storage/objects/object_pins.h"
#include "storage/objects/object_reader.h"
#include "storage/records/keys.h"
#include "storage/records/records.h"
#include "storage/revisions/revision_reader.h"
#include "storage/store_state.h"
#include "storage/sweep.h"
#include "storage/unfinished_uploads.h"
#include "storage/upload.h"

namespace qstore::storage {
namespace {

constexpr uint32_t kFormatVersion = 2;

absl::StatusOr<bool> IsEmpty(const Engine& engine) {
  bool is_empty = true;
  QSTORE_RETURN_IF_ERROR(
      engine.records->Scan("", "\xff", [&](std::string_view, ByteView) {
        is_empty = false;
        return false;
      }));
  for (const Family family : AllFamilies()) {
    const absl::Status status = engine.blobs->LastKey(family).status();
    if (status.ok()) is_empty = false;
    if (!absl::IsNotFound(status)) QSTORE_RETURN_IF_ERROR(status);
  }
  return is_empty;
}

// Creates the version record in an empty store, checks it in any other.
absl::Status CheckFormatVersion(const Engine& engine) {
  RecordTable records(engine.records.get());
  const absl::StatusOr<uint32_t> version = records.FormatVersion();
  if (version.ok()) {
    if (*version == kFormatVersion) return absl::OkStatus();
    if (*version > kFormatVersion) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the store has format version ", *version, "; this build reads ",
          kFormatVersion, ": use the build that wrote it"));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the store has format version ", *version, "; this build reads ",
        kFormatVersion, ": to carry it over, serve it with the build that ",
        "wrote it, download each revision, and upload it to this build with an "
        "empty data directory"));
  }
  if (!absl::IsNotFound(version.status())) return version.status();
  QSTORE_ASSIGN_OR_RETURN(const bool is_empty, IsEmpty(engine));
  if (!is_empty) {
    return absl::FailedPreconditionError(
        "the store has records but no format version: it was not made by this "
        "project, or its manifest is damaged");
  }
  QSTORE_FAILPOINT("open.version");
  RecordBatch batch;
  batch.PutFormatVersion(kFormatVersion);
  return records.Commit(batch);
}

class ModelStoreImpl final : public ModelStore {
 public:
  ModelStoreImpl(Engine engine, uint64_t next_id,
                 const ModelStoreOptions& options)
      : state_(std::move(engine), next_id),
        sweep_report_(Sweep(&state_, &unfinished_)),
        collector_(&state_, options.report_collection) {}
  ~ModelStoreImpl() override { LeaveAll(unfinished_); }

  absl::StatusOr<std::unique_ptr<Upload>> BeginUpload(
      const std::string& model) override {
    QSTORE_RETURN_IF_ERROR(ValidateModelName(model));
    return std::make_unique<UploadImpl>(&state_, model);
  }

  std::vector<UnfinishedUpload> TakeUnfinishedUploads() override {
    return std::exchange(unfinished_, {});
  }

  absl::StatusOr<std::unique_ptr<RevisionReader>> OpenRevision(
      const ModelReference& reference) override {
    QSTORE_FAILPOINT("read.open");
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(const std::string id, Resolve(reference));
    QSTORE_ASSIGN_OR_RETURN(StoredRevision revision,
                            NamedRevision(reference.model, id));
    return std::make_unique<RevisionReaderImpl>(&state_, std::move(revision));
  }

  absl::StatusOr<std::vector<ModelSummary>> ListModels() override {
    QSTORE_FAILPOINT("list.models");
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                            state_.records.Models());
    std::vector<ModelSummary> models;
    for (const std::string& name : names) {
      QSTORE_ASSIGN_OR_RETURN(ModelSummary model, Summarize(name));
      models.push_back(std::move(model));
    }
    return models;
  }

  absl::StatusOr<ModelSummary> GetModel(const std::string& model) override {
    QSTORE_RETURN_IF_ERROR(ValidateModelName(model));
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(ModelSummary summary, Summarize(model));
    if (summary.revisions.empty()) return UnknownModel(model);
    return summary;
  }

  absl::StatusOr<std::string> SetTag(const ModelReference& reference,
                                     const std::string& tag) override {
    QSTORE_RETURN_IF_ERROR(ValidateTag(tag));
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(std::string id, Resolve(reference));
    RecordBatch batch;
    batch.PutTag(reference.model, tag, id);
    QSTORE_FAILPOINT("tag.records");
    QSTORE_RETURN_IF_ERROR(Annotate(
        state_.records.Commit(batch),
        absl::StrCat("setting tag ", tag, " of ", reference.ToString())));
    QSTORE_FAILPOINT("tag.written");
    return id;
  }

  absl::StatusOr<DeleteResult> Delete(const ModelReference& reference) override;

  absl::StatusOr<std::unique_ptr<ObjectReader>> OpenNextObject(
      uint64_t object_id) override {
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> next,
                            state_.records.NextReferencedId(object_id));
    if (!next.has_value()) return nullptr;
    return std::make_unique<ObjectReaderImpl>(&state_, *next);
  }

  absl::StatusOr<std::vector<ObjectUse>> UsesOf(uint64_t object_id,
                                                size_t max_count) override {
    return FindUses(state_.records, object_id, max_count);
  }

  absl::Status Checkpoint(const std::filesystem::path& directory) override {
    if (state_.engine.checkpoint == nullptr) {
      return absl::UnimplementedError(
          "this storage engine keeps no files that could be copied; start "
          "qstored with --engine rocksdb");
    }
    return state_.engine.checkpoint(directory);
  }

  absl::Status TryWriting() override {
    const absl::MutexLock lock(&state_.mutex);
    RecordBatch batch;
    batch.PutNextId(state_.objects.next_id());
    return Annotate(state_.records.Commit(batch), "trying to write");
  }

  absl::Status WaitForCollection(absl::Duration timeout) override {
    return collector_.WaitUntilCollected(timeout);
  }
  CollectionState collection_state() const override {
    return collector_.state();
  }

  const SweepReport& sweep_report() const override { return sweep_report_; }

 private:
  // Under the mutex, so that all they read is of one moment.

  // The id of the revision that `reference` names.
  absl::StatusOr<std::string> Resolve(const ModelReference& reference)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::StatusOr<std::string> ResolveTag(const ModelReference& reference)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::StatusOr<std::string> ResolvePrefix(const ModelReference& reference)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // The record of a revision that a tag or the listing names.
  absl::StatusOr<StoredRevision> NamedRevision(const std::string& model,
                                               const std::string& id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::StatusOr<ModelSummary> Summarize(const std::string& model) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Deletes the revision's records; the result is complete but for
  // reclaimed_bytes. The objects that it used stay as long as `unused` does.
  absl::Status DeleteRecords(const ModelReference& reference,
                             DeleteResult* result,
                             std::optional<ObjectPins>* unused)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  static absl::Status UnknownModel(const std::string& model);
  // Bytes of those objects that nobody but `pins` keeps.
  uint64_t BytesOfUnused(const ObjectPins& pins);

  StoreState state_;
  // Until they are taken.
  std::vector<UnfinishedUpload> unfinished_;
  const SweepReport sweep_report_;
  Collector collector_;
};

absl::Status ModelStoreImpl::UnknownModel(const std::string& model) {
  return WithReason(absl::NotFoundError(absl::StrCat(
                        "no model ", Quoted(model),
                        ": list the models to see which there are")),
                    kReasonModelNotFound);
}

absl::StatusOr<std::string> ModelStoreImpl::Resolve(
    const ModelReference& reference) {
  QSTORE_RETURN_IF_ERROR(ValidateModelName(reference.model));
  return reference.revision_prefix.empty() ? ResolveTag(reference)
                                           : ResolvePrefix(reference);
}

absl::StatusOr<std::string> ModelStoreImpl::ResolveTag(
    const ModelReference& reference) {
  QSTORE_RETURN_IF_ERROR(ValidateTag(reference.tag));
  absl::StatusOr<std::string> revision =
      state_.records.Tag(reference.model, reference.tag);
  if (!absl::IsNotFound(revision.status())) return revision;
  QSTORE_ASSIGN_OR_RETURN(const ModelSummary model, Summarize(reference.model));
  if (model.revisions.empty()) return UnknownModel(reference.model);
  std::vector<std::string> tags;
  for (const ModelSummary::Tag& tag : model.tags) tags.push_back(tag.name);
  return WithReason(
      absl::NotFoundError(absl::StrCat(
          "model ", reference.model, " has no tag ", reference.tag, "; ",
          tags.empty()
              ? absl::StrCat("name a revision, the newest is ",
                             model.revisions.front())
              : absl::StrCat("its tags are ", absl::StrJoin(tags, ", ")))),
      kReasonTagNotFound);
}

absl::StatusOr<std::string> ModelStoreImpl::ResolvePrefix(
    const ModelReference& reference) {
  const std::string& prefix = reference.revision_prefix;
  QSTORE_RETURN_IF_ERROR(ValidateRevisionPrefix(prefix));
  QSTORE_ASSIGN_OR_RETURN(const RecordTable::Listing matches,
                          state_.records.RevisionsOf(reference.model, prefix));
  if (matches.size() == 1) return matches.front().first;
  if (matches.size() > 1) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "model ", reference.model, " has ", matches.size(),
            " revisions that start with ", prefix, ", among them ",
            matches[0].first, " and ", matches[1].first, ": give more digits")),
        kReasonAmbiguousRevision);
  }
  QSTORE_ASSIGN_OR_RETURN(const ModelSummary model, Summarize(reference.model));
  if (model.revisions.empty()) return UnknownModel(reference.model);
  return WithReason(absl::NotFoundError(absl::StrCat(
                        "model ", reference.model, " has no revision ", prefix,
                        "; its newest is ", model.revisions.front())),
                    kReasonRevisionNotFound);
}

absl::StatusOr<StoredRevision> ModelStoreImpl::NamedRevision(
    const std::string& model, const std::string& id) const {
  absl::StatusOr<StoredRevision> revision = state_.records.Revision(model, id);
  if (!absl::IsNotFound(revision.status())) return revision;
  return absl::DataLossError(
      absl::StrCat("the record of ", model, "@", id, " is missing"));
}

absl::StatusOr<ModelSummary> ModelStoreImpl::Summarize(
    const std::string& model) const {
  ModelSummary summary;
  summary.name = model;
  QSTORE_ASSIGN_OR_RETURN(const RecordTable::Tags tags,
                          state_.records.TagsOf(model));
  for (const auto& [name, revision] : tags) {
    summary.tags.push_back({name, revision});
  }
  QSTORE_ASSIGN_OR_RETURN(RecordTable::Listing listing,
                          state_.records.RevisionsOf(model, ""));
  std::sort(listing.begin(), listing.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  for (auto& [revision, number] : listing) {
    summary.revisions.push_back(std::move(revision));
  }
  return summary;
}

absl::StatusOr<DeleteResult> ModelStoreImpl::Delete(
    const ModelReference& reference) {
  DeleteResult result;
  // While they are held the collector leaves their records, which say how large
  // they are.
  std::optional<ObjectPins> unused;
  {
    const absl::MutexLock lock(&state_.mutex);
    QSTORE_RETURN_IF_ERROR(DeleteRecords(reference, &result, &unused));
  }
  if (unused.has_value()) result.reclaimed_bytes = BytesOfUnused(*unused);
  return result;
}

uint64_t ModelStoreImpl::BytesOfUnused(const ObjectPins& pins) {
  std::vector<std::pair<uint64_t, uint64_t>> sizes;
  for (const uint64_t id : pins.ids()) {
    // What cannot be read is not counted.
    const absl::StatusOr<bool> referenced = state_.records.IsReferenced(id);
    if (!referenced.ok() || *referenced) continue;
    const absl::StatusOr<model::Object> object = state_.records.Object(id);
    if (!object.ok()) continue;
    sizes.emplace_back(id, storage::Summarize(*object).stored.total());
  }
  uint64_t unused_bytes = 0;
  const absl::MutexLock lock(&state_.mutex);
  for (const auto& [id, size_bytes] : sizes) {
    if (state_.objects.pin_count(id) == 1) unused_bytes += size_bytes;
  }
  return unused_bytes;
}

absl::Status ModelStoreImpl::DeleteRecords(const ModelReference& reference,
                                           DeleteResult* result,
                                           std::optional<ObjectPins>* unused) {
  QSTORE_ASSIGN_OR_RETURN(result->revision, Resolve(reference));
  QSTORE_ASSIGN_OR_RETURN(const RecordTable::Tags tags,
                          state_.records.TagsOf(reference.model));
  const bool by_tag = reference.revision_prefix.empty();
  result->revision_deleted = true;
  RecordBatch batch;
  for (const auto& [tag, revision] : tags) {
    if (revision != result->revision) continue;
    if (by_tag && tag != reference.tag) {
      result->revision_deleted = false;
      continue;
    }
    batch.DeleteTag(reference.model, tag);
    result->removed_tags.push_back(tag);
  }
  std::set<uint64_t> object_ids;
  if (result->revision_deleted) {
    if (const auto record = NamedRevision(reference.model, result->revision);
        record.ok()) {
      result->stored_bytes = record->stored.total();
    }
    QSTORE_ASSIGN_OR_RETURN(object_ids, state_.records.ReferencedIdsOf(
                                            reference.model, result->revision));
    batch.DeleteRevision(reference.model, result->revision, object_ids);
  }
  QSTORE_FAILPOINT("delete.records");
  absl::Status deleted =
      Annotate(state_.records.Commit(batch),
               absl::StrCat("deleting ", reference.ToString()));
  if (deleted.ok()) deleted = QSTORE_FAILPOINT_STATUS("delete.written");
  // A refused deletion may have taken place nevertheless. The collection asks
  // for references, so objects that still have some are safe.
  if (deleted.ok() && result->revision_deleted) {
    unused->emplace(&state_, object_ids);
  }
  for (const uint64_t id : object_ids) state_.objects.MarkUnreferenced(id);
  return deleted;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelStore>> ModelStore::Open(
    Engine engine, const ModelStoreOptions& options) {
  QSTORE_RETURN_IF_ERROR(
      Annotate(CheckFormatVersion(engine), "opening the store"));
  QSTORE_FAILPOINT("open.next_id");
  QSTORE_ASSIGN_OR_RETURN(const uint64_t next_id, FindNextId(engine));
  return std::make_unique<ModelStoreImpl>(std::move(engine), next_id, options);
}

}  // namespace qstore::storage
