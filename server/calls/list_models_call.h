// ListModels: a page of the models whose names begin with a prefix.
#pragma once

#include "absl/status/status.h"
#include "qstore/v1/model_store.pb.h"
#include "storage/model_store.h"

namespace qstore::server {

absl::Status ListModels(storage::ModelStore* store,
                        const v1::ListModelsRequest& request,
                        v1::ListModelsResponse* response);

}  // namespace qstore::server
