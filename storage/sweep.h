// Finds what a process that ended in mid-work left behind.
#pragma once

#include "storage/model_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// Deletes objects that no revision names and data that no object names. Run
// when the store is opened, before anyone uses it. Reads records and key
// ranges, but no values of objects that stay.
SweepReport Sweep(StoreState* state);

// An id above every id in use.
absl::StatusOr<uint64_t> FindNextId(const Engine& engine);

}  // namespace qstore::storage
