// Sends a model directory to qstored.
#pragma once

#include "absl/status/statusor.h"
#include "client/call.h"
#include "client/options.h"
#include "client/results.h"
#include "client/upload/upload_plan.h"

namespace qstore::client {

// Sends what `plan`, made of the same options, says. Goes on where an upload
// of the same files was interrupted, as far as the server has kept it, and
// tries again when the connection breaks. When it fails, nothing can be seen at
// the server.
absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    const UploadPlan& plan, const Call& call);

}  // namespace qstore::client
