// Delete: removes a tag or a revision.
#pragma once

#include "absl/status/status.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/calls/kept_listings.h"
#include "server/limits/quotas.h"
#include "storage/model_store.h"

namespace qstore::server {

// `quotas` and `listings` may be null. At most wire::kMaxListedTags removed
// tags are listed.
absl::Status Delete(storage::ModelStore* store, Quotas* quotas,
                    KeptListings* listings, CallFrame* call,
                    const v1::DeleteRequest& request,
                    v1::DeleteResponse* response);

}  // namespace qstore::server
