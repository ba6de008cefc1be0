#include "server/calls/get_revision_call.h"

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "server/download/manifest_source.h"
#include "server/limits/metadata_lease.h"
#include "wire/manifest_pages.h"

namespace qstore::server {

absl::Status GetRevision(storage::ModelStore* store, ByteBudget* metadata,
                         CallFrame* call, const v1::GetRevisionRequest& request,
                         v1::GetRevisionResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(ModelReference reference,
                          call->Authorize(request.reference()));
  wire::PagePosition position;
  if (!request.page_token().empty()) {
    QSTORE_ASSIGN_OR_RETURN(const wire::ParsedPageToken token,
                            wire::ParsePageToken(request.page_token()));
    reference.tag.clear();
    reference.revision_prefix = token.revision;
    position = token.position;
  }
  QSTORE_ASSIGN_OR_RETURN(const auto reader, store->OpenRevision(reference));
  call->set_revision(reader->revision().revision);
  QSTORE_ASSIGN_OR_RETURN(const auto lease, LeaseMetadata(metadata, *reader));
  QSTORE_ASSIGN_OR_RETURN(std::vector<std::string> tags,
                          TagsOf(store, reader->revision()));
  ManifestSource source(reader.get(), std::move(tags));
  wire::ManifestPages pages(
      &source.manifest(), source.object_count(),
      [&source](size_t index) { return source.Object(index); }, position);
  QSTORE_ASSIGN_OR_RETURN(const v1::ManifestPage page, pages.Next());
  v1::Checked* checked = response->mutable_page();
  *checked->mutable_serialized() = page.SerializeAsString();
  checked->set_xxh3(Xxh3(AsBytes(checked->serialized())));
  if (!pages.done()) {
    response->set_next_page_token(
        wire::PageToken(reader->revision().revision, pages.position()));
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
