#include "server/calls/get_revision_call.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "server/download/manifest_source.h"
#include "server/limits/metadata_lease.h"
#include "wire/manifest_pages.h"

namespace qstore::server {
namespace {

absl::StatusOr<std::unique_ptr<Listing>> OpenListing(
    storage::ModelStore* store, ByteBudget* metadata, uint64_t era,
    CallFrame* call, const ModelReference& reference, bool with_tags) {
  QSTORE_ASSIGN_OR_RETURN(auto reader, store->OpenRevision(reference));
  call->set_revision(reader->revision().revision);
  QSTORE_ASSIGN_OR_RETURN(auto lease, LeaseMetadata(metadata, *reader));
  std::vector<std::string> tags;
  if (with_tags) {
    QSTORE_ASSIGN_OR_RETURN(tags, TagsOf(store, reader->revision()));
  }
  return std::make_unique<Listing>(std::move(reader), std::move(lease),
                                   std::move(tags), era);
}

}  // namespace

absl::Status GetRevision(storage::ModelStore* store, ByteBudget* metadata,
                         KeptListings* listings, CallFrame* call,
                         const v1::GetRevisionRequest& request,
                         v1::GetRevisionResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(ModelReference reference,
                          call->Authorize(request.reference()));
  wire::PagePosition position;
  // Before the revision is looked for: if one is deleted meanwhile, this is not
  // kept.
  const uint64_t era = listings == nullptr ? 0 : listings->era();
  std::unique_ptr<Listing> listing;
  if (!request.page_token().empty()) {
    QSTORE_ASSIGN_OR_RETURN(const wire::ParsedPageToken token,
                            wire::ParsePageToken(request.page_token()));
    reference.tag.clear();
    reference.revision_prefix = token.revision;
    position = token.position;
    // The page with the head is always made anew, with the tags of now.
    if (listings != nullptr && position != wire::PagePosition()) {
      listing = listings->Take(reference.model, token.revision);
    }
  }
  if (listing == nullptr) {
    const bool with_tags = position == wire::PagePosition();
    QSTORE_ASSIGN_OR_RETURN(
        listing, OpenListing(store, metadata, era, call, reference, with_tags));
  }
  const std::string& revision = listing->revision().revision;
  call->set_revision(revision);
  ManifestSource& source = listing->source();
  wire::ManifestPages pages(
      &source.manifest(), source.object_count(),
      [&source](size_t index) { return source.Object(index); }, position);
  QSTORE_ASSIGN_OR_RETURN(const v1::ManifestPage page, pages.Next());
  v1::Checked* checked = response->mutable_page();
  *checked->mutable_serialized() = page.SerializeAsString();
  checked->set_xxh3(Xxh3(AsBytes(checked->serialized())));
  if (pages.done()) return absl::OkStatus();
  response->set_next_page_token(wire::PageToken(revision, pages.position()));
  if (listings != nullptr) listings->Keep(std::move(listing));
  return absl::OkStatus();
}

}  // namespace qstore::server
