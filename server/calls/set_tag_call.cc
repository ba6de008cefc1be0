#include "server/calls/set_tag_call.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/names.h"

namespace qstore::server {

absl::Status SetTag(storage::ModelStore* store, CallFrame* call,
                    const v1::SetTagRequest& request,
                    v1::SetTagResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          call->Authorize(request.reference()));
  QSTORE_RETURN_IF_ERROR(ValidateTag(request.tag()));
  QSTORE_ASSIGN_OR_RETURN(*response->mutable_revision(),
                          store->SetTag(reference, request.tag()));
  call->set_revision(response->revision());
  call->set_outcome(absl::StrCat("tag ", request.tag(), " names revision ",
                                 response->revision()));
  return absl::OkStatus();
}

}  // namespace qstore::server
