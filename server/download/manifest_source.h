// Reads the manifest of a revision from the store.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/manifest.h"
#include "storage/model_store.h"
#include "wire/manifest_pages.h"

namespace qstore::server {

// Each object's record is read once, when its turn comes. One thread at a time.
class ManifestSource {
 public:
  // `reader` outlives this. `tags`: that name the revision.
  ManifestSource(storage::RevisionReader* reader,
                 std::vector<std::string> tags);

  size_t object_count() const { return object_ids_.size(); }
  // Its object, which stays in the manifest. Errors name file and tensor.
  absl::StatusOr<const model::Object*> Object(size_t index);
  // All of them.
  absl::Status ReadAll();

  // With the objects that have been read, all others empty.
  const model::Manifest& manifest() const { return manifest_; }

 private:
  storage::RevisionReader& reader_;
  model::Manifest manifest_;
  std::vector<uint64_t> object_ids_;
  std::vector<bool> read_;
};

// The tags of the model that name the revision; none when it was deleted.
absl::StatusOr<std::vector<std::string>> TagsOf(
    storage::ModelStore* store, const storage::StoredRevision& revision);

}  // namespace qstore::server
