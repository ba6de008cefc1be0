#include "storage/objects/small_object_batch.h"

#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "storage/objects/object_ingest.h"
#include "storage/records/keys.h"
#include "storage/records/records.h"

namespace qstore::storage {
namespace {

constexpr uint64_t kIdBlock = 1024;
constexpr uint64_t kBatchBytes = 64u << 20;

}  // namespace

absl::Status PutBlob(uint64_t object_id, uint32_t chunk_index,
                     codec::LayerNumber layer, uint8_t subgroup, ByteView bytes,
                     BulkWriter* writer) {
  const uint32_t value_count = model::ValueCount(bytes.size());
  for (uint32_t i = 0; i < value_count; ++i) {
    const DataKey key{object_id, chunk_index, subgroup,
                      static_cast<uint16_t>(i)};
    const ByteView value = bytes.subspan(i * model::kMaxValueBytes,
                                         model::ValueBytes(bytes.size(), i));
    QSTORE_RETURN_IF_ERROR(writer->Put(FamilyOf(layer), key.Encode(), value));
  }
  return absl::OkStatus();
}

std::optional<uint64_t> SmallObjectBatch::Find(
    const Sha256Digest& content_hash) const {
  const auto found = ids_.find(content_hash);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<uint64_t> SmallObjectBatch::Add(
    model::Object object, const std::vector<BufferedBlob>& blobs) {
  if (free_ids_.first == free_ids_.end) {
    const absl::MutexLock lock(&state_.mutex);
    free_ids_.first = state_.objects.TakeIds(kIdBlock);
    free_ids_.end = free_ids_.first + kIdBlock;
  }
  if (writer_ == nullptr) {
    QSTORE_ASSIGN_OR_RETURN(writer_, state_.blobs().NewBulkWriter());
  }
  const uint64_t id = free_ids_.first++;
  for (const BufferedBlob& blob : blobs) {
    QSTORE_RETURN_IF_ERROR(PutBlob(id, blob.chunk_index, blob.layer,
                                   blob.subgroup, blob.bytes, writer_.get()));
  }
  object.id = id;
  ids_.emplace(object.content_hash, id);
  objects_.push_back(std::move(object));
  return id;
}

bool SmallObjectBatch::IsFull() const {
  // A block's end also ends the batch: another upload may own the next ids.
  return writer_ != nullptr && (writer_->size_bytes() >= kBatchBytes ||
                                free_ids_.first == free_ids_.end);
}

absl::StatusOr<std::vector<SmallObjectBatch::Ingested>>
SmallObjectBatch::Ingest() {
  ids_.clear();
  const std::vector<model::Object> objects = std::exchange(objects_, {});
  std::unique_ptr<BulkWriter> writer = std::move(writer_);
  std::vector<Ingested> result;
  if (objects.empty()) return result;
  QSTORE_ASSIGN_OR_RETURN(const std::vector<ObjectSummary> summaries,
                          IngestObjects(&state_, std::move(writer), objects));
  for (size_t i = 0; i < objects.size(); ++i) {
    result.push_back({objects[i].id, summaries[i]});
  }
  return result;
}

}  // namespace qstore::storage
