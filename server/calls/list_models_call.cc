#include "server/calls/list_models_call.h"

#include "base/status.h"
#include "server/calls/model_pages.h"

namespace qstore::server {

absl::Status ListModels(storage::ModelStore* store,
                        const v1::ListModelsRequest& request,
                        v1::ListModelsResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const auto models, store->ListModels());
  return FillModelPage(models, request, response);
}

}  // namespace qstore::server
