#include "storage/objects/object_ingest.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/records/records.h"

namespace qstore::storage {
namespace {

// One call of IngestObjects. Destroyed before Succeed, it undoes what was done.
class Ingestion {
 public:
  Ingestion(StoreState* state, const std::vector<model::Object>& objects)
      : state_(*state), objects_(objects), found_(objects.size()) {
    for (const model::Object& object : objects) {
      hashes_.push_back(object.content_hash);
    }
  }
  Ingestion(const Ingestion&) = delete;
  Ingestion& operator=(const Ingestion&) = delete;

  ~Ingestion() {
    const absl::MutexLock lock(&state_.mutex);
    for (size_t i = 0; i < begun_count_; ++i) {
      const uint64_t id = objects_[i].id;
      if (!found_[i].has_value()) state_.objects.EndIngesting(hashes_[i]);
      if (!succeeded_) {
        state_.objects.Unpin(found_[i].has_value() ? found_[i]->object_id : id);
      }
      if (!ingest_tried_) continue;
      if (found_[i].has_value()) {
        state_.objects.AddDoomedData(id);
      } else if (!succeeded_) {
        // A failed ingest may have taken place nevertheless.
        state_.objects.MarkUnreferenced(id);
      }
    }
  }

  // Pins the objects that the store has, keeps others from storing the rest.
  // Those are pinned too, before anybody can find them: another upload could
  // use one, and its deletion collect it, while this one is still ingesting.
  absl::Status Begin() {
    const absl::MutexLock lock(&state_.mutex);
    const auto is_free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex) {
      return state_.objects.IsNoneIngesting(hashes_);
    };
    state_.mutex.Await(absl::Condition(&is_free));
    for (; begun_count_ < objects_.size(); ++begun_count_) {
      QSTORE_ASSIGN_OR_RETURN(found_[begun_count_],
                              state_.objects.FindAndPin(hashes_[begun_count_]));
      if (!found_[begun_count_].has_value()) {
        state_.objects.BeginIngesting(hashes_[begun_count_]);
        state_.objects.Pin(objects_[begun_count_].id);
        any_new_ = true;
      }
    }
    return absl::OkStatus();
  }

  bool any_new() const { return any_new_; }

  // The data first, and synced: whoever finds a record finds its data. Between
  // the two a crash leaves data without records, for the next sweep.
  absl::Status Ingest(std::unique_ptr<BulkWriter> writer) {
    RecordBatch records;
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (!found_[i].has_value()) records.PutObject(objects_[i]);
    }
    ingest_tried_ = true;
    QSTORE_RETURN_IF_ERROR(writer->Ingest());
    QSTORE_RETURN_IF_ERROR(Annotate(state_.records.Commit(records),
                                    "recording objects that were added"));
    writer = nullptr;
    QSTORE_FAILPOINT("object.ingested");
    const absl::MutexLock lock(&state_.mutex);
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (found_[i].has_value()) continue;
      state_.objects.MarkUnreferenced(objects_[i].id);
    }
    return absl::OkStatus();
  }

  std::vector<ObjectSummary> Succeed() {
    succeeded_ = true;
    std::vector<ObjectSummary> result;
    for (size_t i = 0; i < objects_.size(); ++i) {
      result.push_back(found_[i].has_value() ? *found_[i]
                                             : Summarize(objects_[i]));
    }
    return result;
  }

 private:
  StoreState& state_;
  const std::vector<model::Object>& objects_;
  std::vector<Sha256Digest> hashes_;
  // What the store had already; pinned.
  std::vector<std::optional<ObjectSummary>> found_;
  size_t begun_count_ = 0;
  bool any_new_ = false;
  bool ingest_tried_ = false;
  bool succeeded_ = false;
};

}  // namespace

absl::StatusOr<std::vector<ObjectSummary>> IngestObjects(
    StoreState* state, std::unique_ptr<BulkWriter> writer,
    const std::vector<model::Object>& objects) {
  Ingestion ingestion(state, objects);
  QSTORE_RETURN_IF_ERROR(ingestion.Begin());
  QSTORE_FAILPOINT("object.claimed");
  if (ingestion.any_new()) {
    QSTORE_RETURN_IF_ERROR(ingestion.Ingest(std::move(writer)));
  }
  return ingestion.Succeed();
}

}  // namespace qstore::storage
