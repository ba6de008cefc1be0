// Uploads that a process left unfinished, found when the store is opened.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "storage/model_store.h"
#include "storage/store_state.h"

namespace qstore::storage {

// Before the sweep: holds the objects of each checkpoint, the first to expire
// first. Deletes checkpoints that have expired, are damaged, or name an object
// that is, and counts them in the report. An error says that the records cannot
// be read now; then none is held or deleted.
absl::StatusOr<std::vector<UnfinishedUpload>> HoldUnfinishedUploads(
    StoreState* state, SweepReport* report);

// For the next Open, whoever destroys them.
void LeaveAll(const std::vector<UnfinishedUpload>& uploads);

}  // namespace qstore::storage
