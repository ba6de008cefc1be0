// A revision as the store keeps it: its files, whose segments name objects by
// their ids.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "model/layer_bytes.h"
#include "model/manifest.h"

namespace qstore::storage {

// A run of a file's bytes.
struct StoredSegment {
  uint64_t object_id = 0;
  std::string tensor_name;  // empty when it is no tensor
  uint64_t raw_bytes = 0;
  Sha256Digest content_hash = {};

  bool operator==(const StoredSegment&) const = default;
};

// A file is the concatenation of its segments: for safetensors the header and
// the tensors in the order of their offsets, for any other file one segment (or
// none when it is empty).
struct StoredFile {
  std::string path;
  uint64_t size_bytes = 0;
  bool safetensors = false;
  std::vector<StoredSegment> segments;

  bool operator==(const StoredFile&) const = default;
};

struct StoredRevision {
  std::string model;
  std::string revision;  // hex SHA-256 of the content
  int64_t created_unix_seconds = 0;
  std::vector<StoredFile> files;
  std::string quantizer;     // asked for at the upload, or "none"
  model::LayerBytes stored;  // keys included; shared objects count fully
  uint64_t original_bytes = 0;
  // Original files plus the same model in INT8 (codes, scales, plain tensors,
  // other files): what keeping two copies takes.
  uint64_t two_copies_bytes = 0;

  std::string name() const { return model + "@" + revision; }
  bool operator==(const StoredRevision&) const = default;
};

// A revision as a manifest whose objects have yet to be read: `object_ids` has
// their ids, in the order of Manifest::objects.
struct ManifestDraft {
  model::Manifest manifest;
  std::vector<uint64_t> object_ids;
};
ManifestDraft DraftManifest(const StoredRevision& revision);

// Ids of all objects of a revision.
std::set<uint64_t> ObjectIdsOf(const StoredRevision& revision);

// Hex SHA-256 of the revision's content: quantizer and files, whatever their
// order in `revision`. docs/format.md, "Revision", lists the bytes.
std::string RevisionId(const StoredRevision& revision);

}  // namespace qstore::storage
