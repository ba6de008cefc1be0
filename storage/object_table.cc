#include "storage/object_table.h"

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "base/status.h"
#include "storage/records/keys.h"

namespace qstore::storage {
namespace {

bool IsAbsentOrDamaged(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

}  // namespace

absl::Status DeleteObjectData(Engine* engine, const IdRange& range) {
  QSTORE_FAILPOINT("collect.data");
  const std::string begin = DataKeyBound(range.first);
  const std::string end = DataKeyBound(range.end);
  absl::Status first_failure;
  for (const Family family : kDataFamilies) {
    first_failure.Update(engine->DeleteRange(family, begin, end));
  }
  return first_failure;
}

uint64_t ObjectTable::TakeIds(uint64_t count) {
  return std::exchange(next_id_, next_id_ + count);
}

absl::StatusOr<std::optional<ObjectSummary>> ObjectTable::FindAndPin(
    const Sha256Digest& content_hash) {
  const absl::StatusOr<uint64_t> id = records_->ObjectIdOf(content_hash);
  if (!id.ok()) {
    if (IsAbsentOrDamaged(id.status())) return std::nullopt;
    return id.status();
  }
  const absl::StatusOr<model::Object> object = records_->Object(*id);
  if (!object.ok()) {
    if (IsAbsentOrDamaged(object.status())) return std::nullopt;
    return object.status();
  }
  ObjectSummary summary = Summarize(*object);
  if (summary.content_hash != content_hash) return std::nullopt;
  if (IsDamaged(*id)) return std::nullopt;
  Pin(*id);
  return summary;
}

void ObjectTable::MarkDamaged(uint64_t object_id) {
  if (!damaged_.insert(object_id).second) return;
  const absl::StatusOr<model::Object> object = records_->Object(object_id);
  if (!object.ok()) return;
  const Sha256Digest content_hash = Summarize(*object).content_hash;
  const absl::StatusOr<uint64_t> indexed = records_->ObjectIdOf(content_hash);
  if (!indexed.ok() || *indexed != object_id) return;
  RecordBatch batch;
  batch.DeleteHash(content_hash);
  records_->Commit(batch).IgnoreError();
}

void ObjectTable::Unpin(uint64_t object_id) {
  const auto found = pin_counts_.find(object_id);
  if (found != pin_counts_.end() && --found->second == 0) {
    pin_counts_.erase(found);
  }
}

void ObjectTable::WaitUntilNoneIngesting(
    const std::vector<Sha256Digest>& hashes,
    std::unique_lock<std::mutex>* lock) {
  ingested_.wait(*lock, [&] {
    return std::none_of(
        hashes.begin(), hashes.end(),
        [this](const Sha256Digest& hash) { return ingesting_.contains(hash); });
  });
}

void ObjectTable::EndIngesting(const Sha256Digest& content_hash) {
  ingesting_.erase(content_hash);
  ingested_.notify_all();
}

absl::StatusOr<uint64_t> ObjectTable::CollectRecords() {
  QSTORE_FAILPOINT("collect.begin");
  RecordBatch batch;
  std::vector<uint64_t> collected;
  uint64_t collected_bytes = 0;
  for (auto it = unreferenced_.begin(); it != unreferenced_.end();) {
    const uint64_t id = *it;
    if (pin_counts_.contains(id)) {
      ++it;
      continue;
    }
    // A commit that was reported as failed may have taken place.
    QSTORE_ASSIGN_OR_RETURN(const bool referenced, records_->IsReferenced(id));
    if (referenced) {
      it = unreferenced_.erase(it);
      continue;
    }
    ++it;
    const absl::StatusOr<model::Object> object = records_->Object(id);
    if (object.ok()) {
      const ObjectSummary summary = Summarize(*object);
      const absl::StatusOr<uint64_t> indexed =
          records_->ObjectIdOf(summary.content_hash);
      // The index may name an object that replaced this one.
      if (indexed.ok() && *indexed == id) {
        batch.DeleteHash(summary.content_hash);
      }
      collected_bytes += summary.stored.total();
    } else if (!IsAbsentOrDamaged(object.status())) {
      return object.status();
    }
    batch.DeleteObject(id);
    collected.push_back(id);
  }
  if (collected.empty()) return 0;
  // Ids that leave no trace must not be given again.
  batch.PutNextId(next_id_);
  QSTORE_FAILPOINT("collect.records");
  QSTORE_RETURN_IF_ERROR(
      Annotate(records_->Commit(batch), "collecting unused objects"));
  QSTORE_FAILPOINT("collect.written");
  for (const uint64_t id : collected) {
    unreferenced_.erase(id);
    damaged_.erase(id);
    AddDoomedData(id);
  }
  return collected_bytes;
}

void ObjectTable::AddDoomedData(uint64_t object_id) {
  if (!doomed_.empty() && doomed_.back().end == object_id) {
    ++doomed_.back().end;
  } else {
    doomed_.push_back({object_id, object_id + 1});
  }
}

std::vector<IdRange> ObjectTable::TakeDoomedData() {
  return std::exchange(doomed_, {});
}

absl::StatusOr<uint64_t> CollectGarbage(StoreState* state) {
  std::vector<IdRange> doomed;
  uint64_t collected_bytes = 0;
  {
    const std::lock_guard lock(state->mutex);
    QSTORE_ASSIGN_OR_RETURN(collected_bytes, state->objects.CollectRecords());
    doomed = state->objects.TakeDoomedData();
  }
  absl::Status first_failure;
  for (const IdRange& range : doomed) {
    const absl::Status status = DeleteObjectData(state->engine.get(), range);
    if (!status.ok()) {
      const std::lock_guard lock(state->mutex);
      state->objects.AddDoomedData(range);
    }
    first_failure.Update(status);
  }
  QSTORE_RETURN_IF_ERROR(
      Annotate(first_failure, "deleting the data of unused objects"));
  return collected_bytes;
}

}  // namespace qstore::storage
