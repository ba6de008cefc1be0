#include "storage/records/record_table.h"

#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "storage/records/record_messages.h"
#include "storage/records/records.h"

namespace qstore::storage {
namespace {

// A payload that is text.
absl::StatusOr<std::string> Text(RecordStore* store, const std::string& key) {
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value, store->Get(key));
  QSTORE_ASSIGN_OR_RETURN(const std::string_view payload,
                          UnsealRecord(key, value.bytes()));
  return std::string(payload);
}

absl::StatusOr<uint64_t> Number(RecordStore* store, const std::string& key) {
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value, store->Get(key));
  return UnsealNumber(key, value.bytes());
}

// Scans all keys with `prefix`; `visit` gets what follows it in the key, and
// may fail.
template <typename Visit>
absl::Status ScanPrefix(RecordStore* store, const std::string& prefix,
                        const Visit& visit) {
  absl::Status failure;
  QSTORE_RETURN_IF_ERROR(store->Scan(
      prefix, PrefixEnd(prefix), [&](std::string_view key, ByteView value) {
        failure = visit(key, key.substr(prefix.size()), value);
        return failure.ok();
      }));
  return failure;
}

}  // namespace

void RecordBatch::Put(std::string key, std::string_view payload) {
  std::string sealed = SealRecord(key, payload);
  writes_.Put(std::move(key), std::move(sealed));
}

void RecordBatch::Delete(std::string key) { writes_.Delete(std::move(key)); }

void RecordBatch::PutFormatVersion(uint32_t version) {
  writes_.Put(FormatVersionKey(), std::to_string(version));
}

void RecordBatch::PutNextId(uint64_t next_id) {
  writes_.Put(NextIdKey(), SealNumber(NextIdKey(), next_id));
}

void RecordBatch::PutObject(const model::Object& object) {
  Put(ObjectKey(object.id), ToMessage(object).SerializeAsString());
  std::string hash_key = HashKey(object.content_hash);
  std::string id = SealNumber(hash_key, object.id);
  writes_.Put(std::move(hash_key), std::move(id));
}

void RecordBatch::DeleteObject(uint64_t object_id) {
  Delete(ObjectKey(object_id));
}

void RecordBatch::DeleteHash(const Sha256Digest& content_hash) {
  Delete(HashKey(content_hash));
}

void RecordBatch::PutRevision(const StoredRevision& revision,
                              uint64_t commit_number,
                              const std::set<uint64_t>& object_ids) {
  const std::string& model = revision.model;
  const std::string& id = revision.revision;
  Put(RevisionKey(model, id), ToMessage(revision).SerializeAsString());
  std::string listing_key = ListingKey(model, id);
  std::string number = SealNumber(listing_key, commit_number);
  writes_.Put(std::move(listing_key), std::move(number));
  for (const uint64_t object_id : object_ids) {
    Put(ReferenceKey(object_id, model, id), {});
  }
}

void RecordBatch::DeleteRevision(const std::string& model,
                                 const std::string& revision,
                                 const std::set<uint64_t>& object_ids) {
  Delete(RevisionKey(model, revision));
  Delete(ListingKey(model, revision));
  for (const uint64_t object_id : object_ids) {
    Delete(ReferenceKey(object_id, model, revision));
  }
}

void RecordBatch::PutTag(const std::string& model, const std::string& tag,
                         const std::string& revision) {
  Put(TagKey(model, tag), revision);
}

void RecordBatch::DeleteTag(const std::string& model, const std::string& tag) {
  Delete(TagKey(model, tag));
}

void RecordBatch::PutUnfinished(uint64_t checkpoint_id,
                                const v2::UnfinishedUpload& unfinished) {
  Put(UnfinishedKey(checkpoint_id), unfinished.SerializeAsString());
}

void RecordBatch::DeleteUnfinished(uint64_t checkpoint_id) {
  Delete(UnfinishedKey(checkpoint_id));
}

absl::StatusOr<uint32_t> RecordTable::FormatVersion() const {
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value,
                          store_->Get(FormatVersionKey()));
  const std::string_view text = AsStringView(value.bytes());
  uint32_t version = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::DataLossError("the store's format version is unreadable");
  }
  return version;
}

absl::StatusOr<uint64_t> RecordTable::NextId() const {
  return Number(store_, NextIdKey());
}

absl::StatusOr<model::Object> RecordTable::Object(uint64_t object_id) const {
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value,
                          store_->Get(ObjectKey(object_id)));
  return ParseObjectRecord(object_id, value.bytes());
}

absl::StatusOr<uint64_t> RecordTable::ObjectIdOf(
    const Sha256Digest& content_hash) const {
  return Number(store_, HashKey(content_hash));
}

absl::StatusOr<bool> RecordTable::IsReferenced(uint64_t object_id) const {
  bool referenced = false;
  const std::string prefix = ReferencePrefix(object_id);
  QSTORE_RETURN_IF_ERROR(
      store_->Scan(prefix, PrefixEnd(prefix), [&](std::string_view, ByteView) {
        referenced = true;
        return false;
      }));
  return referenced;
}

absl::StatusOr<std::vector<uint64_t>> RecordTable::LeadingIds(
    const std::string& prefix) const {
  std::vector<uint64_t> ids;
  QSTORE_RETURN_IF_ERROR(
      ScanPrefix(store_, prefix,
                 [&ids](std::string_view key, std::string_view rest, ByteView) {
                   const std::optional<uint64_t> id = LeadingId(rest);
                   if (!id.has_value()) {
                     return absl::DataLossError(absl::StrCat(
                         DescribeRecord(key), " has no object id"));
                   }
                   if (ids.empty() || ids.back() != *id) ids.push_back(*id);
                   return absl::OkStatus();
                 }));
  return ids;
}

absl::StatusOr<std::vector<uint64_t>> RecordTable::ObjectIds() const {
  return LeadingIds(ObjectPrefix());
}

absl::StatusOr<std::vector<uint64_t>> RecordTable::ReferencedIds() const {
  return LeadingIds(ReferencePrefix());
}

absl::StatusOr<std::optional<uint64_t>> RecordTable::NextReferencedId(
    uint64_t object_id) const {
  std::optional<uint64_t> next;
  if (object_id == std::numeric_limits<uint64_t>::max()) return next;
  const std::string prefix = ReferencePrefix();
  QSTORE_RETURN_IF_ERROR(
      store_->Scan(ReferencePrefix(object_id + 1), PrefixEnd(prefix),
                   [&](std::string_view key, ByteView) {
                     next = LeadingId(key.substr(prefix.size()));
                     return !next.has_value();
                   }));
  return next;
}

absl::StatusOr<std::vector<ModelAndRest>> RecordTable::UsersOf(
    uint64_t object_id, size_t max_count) const {
  std::vector<ModelAndRest> users;
  const std::string prefix = ReferencePrefix(object_id);
  QSTORE_RETURN_IF_ERROR(store_->Scan(
      prefix, PrefixEnd(prefix), [&](std::string_view key, ByteView) {
        auto user = SplitAtModel(key.substr(prefix.size()));
        if (user.has_value()) users.push_back(*std::move(user));
        return users.size() < max_count;
      }));
  return users;
}

absl::StatusOr<std::set<uint64_t>> RecordTable::ReferencedIdsOf(
    const std::string& model, const std::string& revision) const {
  const absl::StatusOr<StoredRevision> record = Revision(model, revision);
  if (record.ok()) return ObjectIdsOf(*record);
  if (!absl::IsNotFound(record.status()) &&
      !absl::IsDataLoss(record.status())) {
    return record.status();
  }
  std::set<uint64_t> ids;
  QSTORE_RETURN_IF_ERROR(ScanPrefix(
      store_, ReferencePrefix(),
      [&](std::string_view key, std::string_view rest, ByteView) {
        const std::optional<uint64_t> id = LeadingId(rest);
        if (id.has_value() && key == ReferenceKey(*id, model, revision)) {
          ids.insert(*id);
        }
        return absl::OkStatus();
      }));
  return ids;
}

absl::StatusOr<StoredRevision> RecordTable::Revision(
    const std::string& model, const std::string& revision) const {
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value,
                          store_->Get(RevisionKey(model, revision)));
  return ParseRevisionRecord(model, revision, value.bytes());
}

absl::StatusOr<RecordTable::Tags> RecordTable::TagsOf(
    const std::string& model) const {
  Tags tags;
  QSTORE_RETURN_IF_ERROR(
      ScanPrefix(store_, TagPrefix(model),
                 [&tags](std::string_view key, std::string_view tag,
                         ByteView value) -> absl::Status {
                   QSTORE_ASSIGN_OR_RETURN(const std::string_view revision,
                                           UnsealRecord(key, value));
                   tags.emplace(tag, revision);
                   return absl::OkStatus();
                 }));
  return tags;
}

absl::StatusOr<std::string> RecordTable::Tag(const std::string& model,
                                             const std::string& tag) const {
  return Text(store_, TagKey(model, tag));
}

absl::StatusOr<RecordTable::Listing> RecordTable::RevisionsOf(
    const std::string& model, const std::string& prefix) const {
  Listing listing;
  QSTORE_RETURN_IF_ERROR(
      ScanPrefix(store_, ListingPrefix(model) + prefix,
                 [&](std::string_view key, std::string_view rest,
                     ByteView value) -> absl::Status {
                   QSTORE_ASSIGN_OR_RETURN(const uint64_t number,
                                           UnsealNumber(key, value));
                   listing.emplace_back(prefix + std::string(rest), number);
                   return absl::OkStatus();
                 }));
  return listing;
}

absl::StatusOr<std::vector<std::string>> RecordTable::Models() const {
  std::vector<std::string> models;
  QSTORE_RETURN_IF_ERROR(ScanPrefix(
      store_, ListingPrefix(),
      [&models](std::string_view key, std::string_view rest, ByteView) {
        std::optional<ModelAndRest> split = SplitAtModel(rest);
        if (!split.has_value()) {
          return absl::DataLossError(
              absl::StrCat(DescribeRecord(key), " names no model"));
        }
        if (models.empty() || models.back() != split->model) {
          models.push_back(std::move(split->model));
        }
        return absl::OkStatus();
      }));
  return models;
}

absl::StatusOr<std::vector<uint64_t>> RecordTable::UnfinishedIds() const {
  return LeadingIds(UnfinishedPrefix());
}

absl::StatusOr<v2::UnfinishedUpload> RecordTable::Unfinished(
    uint64_t checkpoint_id) const {
  const std::string key = UnfinishedKey(checkpoint_id);
  QSTORE_ASSIGN_OR_RETURN(const PinnedValue value, store_->Get(key));
  return ParseUnfinishedRecord(checkpoint_id, value.bytes());
}

absl::Status RecordTable::Commit(const RecordBatch& batch) {
  const absl::MutexLock lock(&commit_mutex_);
  WriteBatch writes;
  for (const std::string& key : keys_in_doubt_) {
    absl::StatusOr<PinnedValue> now = store_->Get(key);
    if (now.ok()) {
      writes.Put(key, std::string(AsStringView(now->bytes())));
    } else if (absl::IsNotFound(now.status())) {
      writes.Delete(key);
    } else {
      return Annotate(now.status(), "settling records that were refused");
    }
  }
  for (const WriteBatch::Operation& operation : batch.writes().operations()) {
    if (operation.kind == WriteBatch::Operation::Kind::kPut) {
      writes.Put(operation.key, operation.value);
    } else {
      writes.Delete(operation.key);
    }
  }
  absl::Status status = store_->Commit(writes);
  if (status.ok()) {
    keys_in_doubt_.clear();
  } else {
    for (const WriteBatch::Operation& operation : batch.writes().operations()) {
      keys_in_doubt_.insert(operation.key);
    }
  }
  return status;
}

}  // namespace qstore::storage
