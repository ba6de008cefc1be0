// GetRevision: a page of a revision's manifest.
#pragma once

#include "absl/status/status.h"
#include "base/byte_budget.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/calls/kept_listings.h"
#include "storage/model_store.h"

namespace qstore::server {

// Reads the records of the objects in this page alone. `metadata` bounds what
// the lists of all calls take; `listings` null: nothing is kept between pages.
absl::Status GetRevision(storage::ModelStore* store, ByteBudget* metadata,
                         KeptListings* listings, CallFrame* call,
                         const v1::GetRevisionRequest& request,
                         v1::GetRevisionResponse* response);

}  // namespace qstore::server
