// The answers of ListModels, cut into pages.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "qstore/v1/model_store.pb.h"
#include "storage/model_store.h"

namespace qstore::server {

// The page of `models` (ascending by name) that the request asks for. A token
// names a model and how many of its tags and revisions came before; what is
// created or deleted meanwhile may be missed, nothing else. INVALID_ARGUMENT:
// not a token of an answer.
absl::Status FillModelPage(std::span<const storage::ModelSummary> models,
                           const v1::ListModelsRequest& request,
                           v1::ListModelsResponse* response);

}  // namespace qstore::server
