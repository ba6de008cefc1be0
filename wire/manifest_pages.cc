#include "wire/manifest_pages.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "wire/layer_bytes.h"
#include "wire/object_message.h"

namespace qstore::wire {

std::string PageToken(std::string_view revision, const PagePosition& position) {
  return absl::StrCat(std::string(revision), position.objects ? ".o." : ".f.",
                      position.index, ".", position.inner);
}

absl::StatusOr<ParsedPageToken> ParsePageToken(std::string_view token) {
  const std::vector<std::string> parts =
      absl::StrSplit(AbslView(token), absl::MaxSplits('.', 4));
  ParsedPageToken parsed;
  if (token.size() > 2 * kRevisionHexDigits || parts.size() != 4 ||
      parts[0].size() != kRevisionHexDigits ||
      !ValidateRevisionPrefix(parts[0]).ok() ||
      (parts[1] != "f" && parts[1] != "o") ||
      !absl::SimpleAtoi(parts[2], &parsed.position.index) ||
      !absl::SimpleAtoi(parts[3], &parsed.position.inner)) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "the page token ", Quoted(token),
            " is not one that an answer had: begin again without a token")),
        kReasonInvalidPageToken);
  }
  parsed.revision = parts[0];
  parsed.position.objects = parts[1] == "o";
  return parsed;
}

ManifestPages::ManifestPages(const model::Manifest* manifest,
                             size_t object_count, ObjectSource source,
                             PagePosition position)
    : manifest_(*manifest),
      object_count_(object_count),
      source_(std::move(source)),
      position_(position) {}

absl::StatusOr<v1::ManifestPage> ManifestPages::Next() {
  v1::ManifestPage page;
  page_bytes_ = 0;
  if (position_ == PagePosition()) AddHead(&page);
  while (!full() && !position_.objects) {
    if (position_.index >= manifest_.files.size()) {
      position_ = {.objects = true, .index = 0, .inner = 0};
    } else {
      AddFile(&page);
    }
  }
  while (!full() && position_.objects && position_.index < object_count_) {
    QSTORE_RETURN_IF_ERROR(AddObject(&page));
  }
  done_ = position_.objects && position_.index >= object_count_;
  page.set_last(done_);
  return page;
}

void ManifestPages::AddHead(v1::ManifestPage* page) {
  v1::ManifestHead* head = page->mutable_head();
  head->set_model(manifest_.model);
  head->set_revision(manifest_.revision);
  head->set_created_unix_seconds(manifest_.created_unix_seconds);
  const size_t tag_count = std::min(manifest_.tags.size(), kMaxListedTags);
  for (size_t i = 0; i < tag_count; ++i) head->add_tags(manifest_.tags[i]);
  head->set_quantizer(manifest_.quantizer);
  ToWire(manifest_.stored, head->mutable_stored());
  head->set_original_bytes(manifest_.original_bytes);
  head->set_two_copies_bytes(manifest_.two_copies_bytes);
  head->set_file_count(manifest_.files.size());
  head->set_object_count(object_count_);
  page_bytes_ += head->ByteSizeLong();
}

void ManifestPages::AddFile(v1::ManifestPage* page) {
  const model::File& file = manifest_.files[position_.index];
  v1::FileManifest* message = page->add_files();
  if (position_.inner == 0) {
    message->set_path(file.path);
    message->set_size_bytes(file.size_bytes);
    message->set_safetensors(file.safetensors);
  } else {
    message->set_continued(true);
  }
  page_bytes_ += message->ByteSizeLong();
  // At least one, so that the next page never begins this file anew.
  for (bool first = true;
       (first || !full()) && position_.inner < file.segments.size();
       first = false) {
    const model::Segment& segment = file.segments[position_.inner++];
    v1::SegmentManifest* part = message->add_segments();
    part->set_object_index(segment.object_index);
    part->set_tensor_name(segment.tensor_name);
    page_bytes_ += part->ByteSizeLong() + 4;
  }
  if (position_.inner >= file.segments.size()) {
    ++position_.index;
    position_.inner = 0;
  }
}

absl::Status ManifestPages::AddObject(v1::ManifestPage* page) {
  QSTORE_ASSIGN_OR_RETURN(const model::Object* object,
                          source_(position_.index));
  v1::ObjectManifest* message = page->add_objects();
  if (position_.inner == 0) {
    ToWire(*object, message);
  } else {
    message->set_continued(true);
  }
  page_bytes_ += message->ByteSizeLong() + 4;
  for (bool first = true;
       (first || !full()) && position_.inner < object->chunks.size();
       first = false) {
    v1::ChunkManifest* chunk = message->add_chunks();
    ToWire(object->chunks[position_.inner++], chunk);
    page_bytes_ += chunk->ByteSizeLong() + 4;
  }
  if (position_.inner >= object->chunks.size()) {
    ++position_.index;
    position_.inner = 0;
  }
  return absl::OkStatus();
}

}  // namespace qstore::wire
