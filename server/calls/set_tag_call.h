// SetTag: points a tag at a revision.
#pragma once

#include "absl/status/status.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "storage/model_store.h"

namespace qstore::server {

absl::Status SetTag(storage::ModelStore* store, CallFrame* call,
                    const v1::SetTagRequest& request,
                    v1::SetTagResponse* response);

}  // namespace qstore::server
