#include "client/from_wire.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codec/int8/int8_coder.h"

namespace qstore::client {
namespace {

TensorListing ListingOf(const model::Segment& segment,
                        const model::Object& object) {
  TensorListing tensor;
  tensor.name = segment.tensor_name;
  tensor.dtype = *object.dtype;
  tensor.shape = object.shape;
  tensor.raw_bytes = object.raw_bytes;
  tensor.quantized = object.quantized();
  if (object.quantized()) {
    const auto number = static_cast<uint8_t>(object.quantization->coder);
    const codec::Int8CoderEntry* coder = codec::FindInt8Coder(number);
    // Of a coder of a later build, its number.
    tensor.int8_coder =
        coder == nullptr ? absl::StrCat(number) : std::string(coder->name);
  }
  tensor.stored = model::StoredValueBytes(object);
  return tensor;
}

}  // namespace

void AddPage(const v1::ListModelsResponse& response,
             std::vector<ModelListing>* models) {
  for (const v1::ModelSummary& summary : response.models()) {
    // A model may go on in the next page.
    if (models->empty() || models->back().name != summary.name()) {
      models->emplace_back().name = summary.name();
    }
    ModelListing& model = models->back();
    for (const v1::TagSummary& tag : summary.tags()) {
      model.revision_by_tag[tag.name()] = tag.revision();
    }
    model.revisions.insert(model.revisions.end(), summary.revisions().begin(),
                           summary.revisions().end());
  }
}

RevisionListing ListingOf(const model::Manifest& manifest) {
  RevisionListing revision;
  revision.model = manifest.model;
  revision.revision = manifest.revision;
  revision.created_unix_seconds = manifest.created_unix_seconds;
  revision.tags = manifest.tags;
  revision.quantizer = manifest.quantizer;
  revision.stored = manifest.stored;
  revision.original_bytes = manifest.original_bytes;
  revision.two_copies_bytes = manifest.two_copies_bytes;
  revision.files.reserve(manifest.files.size());
  for (const model::File& source : manifest.files) {
    FileListing& file = revision.files.emplace_back();
    file.path = source.path;
    file.size_bytes = source.size_bytes;
    for (const model::Segment& segment : source.segments) {
      const model::Object& object = manifest.objects[segment.object_index];
      if (object.is_tensor()) {
        file.tensors.push_back(ListingOf(segment, object));
      } else {
        file.other_bytes += model::StoredValueBytes(object).other();
      }
    }
  }
  return revision;
}

DeleteResult FromWire(const v1::DeleteResponse& response) {
  return {.revision = response.revision(),
          .removed_tags = {response.removed_tags().begin(),
                           response.removed_tags().end()},
          .revision_deleted = response.revision_deleted(),
          .reclaimed_bytes = response.reclaimed_bytes(),
          .stored_bytes = response.stored_bytes()};
}

VerifyResult FromWire(const v1::VerifyResponse& response) {
  return {.revision = response.revision(),
          .checked_objects = response.checked_objects(),
          .total_objects = response.total_objects(),
          .checked_bytes = response.checked_bytes(),
          .problems = {response.problems().begin(), response.problems().end()}};
}

BackupResult FromWire(const v1::CreateBackupResponse& response) {
  return {.path = response.path(), .size_bytes = response.size_bytes()};
}

ScrubStatus FromWire(const v1::ScrubStatus& scrub) {
  ScrubStatus status{.enabled = scrub.enabled(),
                     .running = scrub.running(),
                     .started_unix_seconds = scrub.started_unix_seconds(),
                     .finished_unix_seconds = scrub.finished_unix_seconds(),
                     .checked_objects = scrub.checked_objects(),
                     .checked_bytes = scrub.checked_bytes(),
                     .damage = {},
                     .unlisted_damage_count = scrub.unlisted_damage_count()};
  status.damage.reserve(static_cast<size_t>(scrub.damage_size()));
  for (const v1::Damage& one : scrub.damage()) {
    status.damage.push_back(
        {.model = one.model(),
         .revision = one.revision(),
         .problem = one.problem(),
         .first_seen_unix_seconds = one.first_seen_unix_seconds(),
         .last_seen_unix_seconds = one.last_seen_unix_seconds()});
  }
  return status;
}

}  // namespace qstore::client
