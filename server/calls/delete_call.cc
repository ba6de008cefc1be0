#include "server/calls/delete_call.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "base/text/byte_format.h"
#include "wire/manifest_pages.h"

namespace qstore::server {

absl::Status Delete(storage::ModelStore* store, Quotas* quotas,
                    KeptListings* listings, CallFrame* call,
                    const v1::DeleteRequest& request,
                    v1::DeleteResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          call->Authorize(request.reference()));
  QSTORE_ASSIGN_OR_RETURN(storage::DeleteResult result,
                          store->Delete(reference));
  call->set_revision(result.revision);
  if (listings != nullptr) listings->Forget();
  if (quotas != nullptr) {
    quotas->Subtract(reference.model, result.stored_bytes);
  }
  call->set_outcome(
      result.revision_deleted
          ? absl::StrCat("revision ", result.revision, " deleted, ",
                         FormatBytes(result.reclaimed_bytes), " given back")
          : absl::StrCat("tag removed, revision ", result.revision, " stays"));
  QSTORE_FAILPOINT("delete.answer");
  response->set_revision(result.revision);
  if (result.removed_tags.size() > wire::kMaxListedTags) {
    result.removed_tags.resize(wire::kMaxListedTags);
  }
  for (std::string& tag : result.removed_tags) {
    response->add_removed_tags(std::move(tag));
  }
  response->set_revision_deleted(result.revision_deleted);
  response->set_reclaimed_bytes(result.reclaimed_bytes);
  response->set_stored_bytes(result.stored_bytes);
  return absl::OkStatus();
}

}  // namespace qstore::server
