// Finds what a process that ended in mid-work left behind.
#pragma once

#include <vector>

#include "storage/model_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// Deletes objects that nobody names and data that no object names. Run when the
// store is opened, before anyone uses it. Reads records and key ranges, but no
// values of objects that stay. `unfinished`: uploads that can be gone on with,
// whose objects stay (storage/unfinished_uploads.h).
SweepReport Sweep(StoreState* state, std::vector<UnfinishedUpload>* unfinished);

// An id above every id in use.
absl::StatusOr<uint64_t> FindNextId(const Engine& engine);

}  // namespace qstore::storage
