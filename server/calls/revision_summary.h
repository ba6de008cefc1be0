// What GetRevision answers. Reads records, no weights.
#pragma once

#include "absl/status/statusor.h"
#include "qstore/v1/model_store.pb.h"
#include "storage/model_store.h"

namespace qstore::server {

// Everything but the tags.
absl::StatusOr<v1::GetRevisionResponse> SummarizeRevision(
    storage::RevisionReader& reader);

}  // namespace qstore::server
