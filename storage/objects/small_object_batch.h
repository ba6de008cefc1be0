// Small objects of one upload on their way into shared table files.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "storage/blobs/blob_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// A blob that waits for its object's id.
struct BufferedBlob {
  codec::LayerNumber layer;
  uint32_t chunk_index;
  uint8_t subgroup;
  ByteVector bytes;
};

// Cuts a blob into values and writes them.
absl::Status PutBlob(uint64_t object_id, uint32_t chunk_index,
                     codec::LayerNumber layer, uint8_t subgroup, ByteView bytes,
                     BulkWriter* writer);

// Objects get consecutive ids out of blocks that belong to this upload alone,
// so that the key ranges of table files never overlap. One thread at a time.
class SmallObjectBatch {
 public:
  explicit SmallObjectBatch(StoreState* state) : state_(*state) {}

  // An object of this batch with this content hash.
  std::optional<uint64_t> Find(const Sha256Digest& content_hash) const;

  // `object` is valid but for its id and has a content hash that is not in the
  // batch. Returns the id, which is good until Ingest gives another.
  absl::StatusOr<uint64_t> Add(model::Object object,
                               const std::vector<BufferedBlob>& blobs);

  // Whether it is time to ingest.
  bool IsFull() const;

  struct Ingested {
    uint64_t given_id;      // that Add returned
    ObjectSummary summary;  // of the object to use; pinned
  };
  // Empties the batch. After an error its objects are lost.
  absl::StatusOr<std::vector<Ingested>> Ingest();

 private:
  StoreState& state_;
  IdRange free_ids_;
  std::unique_ptr<BulkWriter> writer_;
  std::vector<model::Object> objects_;
  std::map<Sha256Digest, uint64_t> ids_;
};

}  // namespace qstore::storage
