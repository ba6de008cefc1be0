// The last step of adding objects: from bulk data to objects that others can
// find.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/blobs/blob_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// `writer` holds the data of `objects`, which have different content hashes,
// ascending ids and nobody who knows them yet. Ingests the data, then writes
// the objects' records. An object that the store has meanwhile is not stored
// again. Returns, for each object, the one to use; all are pinned. After an
// error nothing is pinned and the next collection deletes what remains.
absl::StatusOr<std::vector<ObjectSummary>> IngestObjects(
    StoreState* state, std::unique_ptr<BulkWriter> writer,
    const std::vector<model::Object>& objects);

}  // namespace qstore::storage
