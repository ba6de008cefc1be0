#include "server/download/manifest_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::server {

ManifestSource::ManifestSource(storage::RevisionReader* reader,
                               std::vector<std::string> tags)
    : reader_(*reader) {
  storage::ManifestDraft draft = storage::DraftManifest(reader->revision());
  manifest_ = std::move(draft.manifest);
  object_ids_ = std::move(draft.object_ids);
  manifest_.tags = std::move(tags);
  manifest_.objects.resize(object_ids_.size());
  read_.resize(object_ids_.size());
}

absl::StatusOr<const model::Object*> ManifestSource::Object(size_t index) {
  model::Object& object = manifest_.objects[index];
  if (!read_[index]) {
    absl::StatusOr<model::Object> record =
        reader_.GetObject(object_ids_[index]);
    if (!record.ok()) {
      return Annotate(record.status(),
                      absl::StrCat("model ", manifest_.name(), ": ",
                                   model::DescribeObject(manifest_, index)));
    }
    object = *std::move(record);
    read_[index] = true;
  }
  return &object;
}

absl::Status ManifestSource::ReadAll() {
  for (size_t i = 0; i < object_count(); ++i) {
    QSTORE_RETURN_IF_ERROR(Object(i).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TagsOf(
    storage::ModelStore* store, const storage::StoredRevision& revision) {
  std::vector<std::string> tags;
  const absl::StatusOr<storage::ModelSummary> model =
      store->GetModel(revision.model);
  if (absl::IsNotFound(model.status())) return tags;
  if (!model.ok()) {
    return Annotate(model.status(), absl::StrCat("tags of ", revision.model));
  }
  for (const storage::ModelSummary::Tag& tag : model->tags) {
    if (tag.revision == revision.revision) tags.push_back(tag.name);
  }
  return tags;
}

}  // namespace qstore::server
