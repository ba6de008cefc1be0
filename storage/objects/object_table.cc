#include "storage/objects/object_table.h"

#include <algorithm>
#include <utility>

#include "base/failpoints/failpoint.h"
#include "base/status.h"

namespace qstore::storage {
namespace {

bool IsAbsentOrDamaged(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

}  // namespace

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

void ObjectTable::Pin(uint64_t object_id) {
  ++pin_counts_[object_id];
  collectable_.erase(object_id);
}

void ObjectTable::Unpin(uint64_t object_id) {
  const auto found = pin_counts_.find(object_id);
  if (found == pin_counts_.end() || --found->second > 0) return;
  pin_counts_.erase(found);
  if (!unreferenced_.contains(object_id)) return;
  collectable_.insert(object_id);
  ++garbage_count_;
}

uint64_t ObjectTable::pin_count(uint64_t object_id) const {
  const auto found = pin_counts_.find(object_id);
  return found == pin_counts_.end() ? 0 : found->second;
}

void ObjectTable::MarkReferenced(uint64_t object_id) {
  unreferenced_.erase(object_id);
  collectable_.erase(object_id);
}

void ObjectTable::MarkUnreferenced(uint64_t object_id) {
  unreferenced_.insert(object_id);
  if (pin_counts_.contains(object_id)) return;
  collectable_.insert(object_id);
  ++garbage_count_;
}

bool ObjectTable::IsNoneIngesting(
    const std::vector<Sha256Digest>& hashes) const {
  return std::none_of(
      hashes.begin(), hashes.end(),
      [this](const Sha256Digest& hash) { return ingesting_.contains(hash); });
}

absl::StatusOr<bool> ObjectTable::CollectRecords(size_t max_count) {
  QSTORE_FAILPOINT("collect.begin");
  RecordBatch batch;
  std::vector<uint64_t> collected;
  auto next = collectable_.begin();
  for (size_t count = 0; count < max_count && next != collectable_.end();
       ++count) {
    const uint64_t id = *next;
    // A commit that was reported as failed may have taken place.
    QSTORE_ASSIGN_OR_RETURN(const bool referenced, records_->IsReferenced(id));
    if (referenced) {
      unreferenced_.erase(id);
      next = collectable_.erase(next);
      continue;
    }
    ++next;
    const absl::StatusOr<model::Object> object = records_->Object(id);
    if (object.ok()) {
      const Sha256Digest content_hash = Summarize(*object).content_hash;
      const absl::StatusOr<uint64_t> indexed =
          records_->ObjectIdOf(content_hash);
      // The index may name an object that replaced this one.
      if (indexed.ok() && *indexed == id) batch.DeleteHash(content_hash);
    } else if (!IsAbsentOrDamaged(object.status())) {
      return object.status();
    }
    batch.DeleteObject(id);
    collected.push_back(id);
  }
  const bool more = next != collectable_.end();
  if (collected.empty()) return more;
  // Ids that leave no trace must not be given again.
  batch.PutNextId(next_id_);
  QSTORE_FAILPOINT("collect.records");
  QSTORE_RETURN_IF_ERROR(
      Annotate(records_->Commit(batch), "collecting unused objects"));
  QSTORE_FAILPOINT("collect.written");
  for (const uint64_t id : collected) {
    unreferenced_.erase(id);
    collectable_.erase(id);
    damaged_.erase(id);
    AddDoomedData(id);
  }
  return more;
}

void ObjectTable::AddDoomedData(uint64_t object_id) {
  ++garbage_count_;
  if (!doomed_.empty() && doomed_.back().end == object_id) {
    ++doomed_.back().end;
  } else {
    doomed_.push_back({object_id, object_id + 1});
  }
}

std::vector<IdRange> ObjectTable::TakeDoomedData() {
  return std::exchange(doomed_, {});
}

void ObjectTable::ReturnDoomedData(const std::vector<IdRange>& ranges) {
  doomed_.insert(doomed_.begin(), ranges.begin(), ranges.end());
}

}  // namespace qstore::storage
