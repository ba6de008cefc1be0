#include "storage/revisions/revision.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"

namespace qstore::storage {
namespace {

// Feeds integers and length-prefixed strings to a hash, so that no two lists of
// fields give the same bytes.
class CanonicalHash {
 public:
  void Add(uint64_t number) {
    uint8_t bytes[sizeof(number)];
    StoreLittleEndian(number, bytes);
    hash_.Update(bytes);
  }
  void Add(std::string_view text) {
    Add(uint64_t{text.size()});
    hash_.Update(AsBytes(text));
  }
  Sha256Digest Finish() { return hash_.Finish(); }

 private:
  Sha256 hash_;
};

}  // namespace

ManifestDraft DraftManifest(const StoredRevision& revision) {
  ManifestDraft draft;
  model::Manifest& manifest = draft.manifest;
  manifest.model = revision.model;
  manifest.revision = revision.revision;
  manifest.created_unix_seconds = revision.created_unix_seconds;
  manifest.quantizer = revision.quantizer;
  manifest.stored = revision.stored;
  manifest.original_bytes = revision.original_bytes;
  manifest.two_copies_bytes = revision.two_copies_bytes;
  std::unordered_map<uint64_t, size_t> index_of_id;
  manifest.files.reserve(revision.files.size());
  for (const StoredFile& stored : revision.files) {
    model::File& file = manifest.files.emplace_back();
    file.path = stored.path;
    file.size_bytes = stored.size_bytes;
    file.safetensors = stored.safetensors;
    file.segments.reserve(stored.segments.size());
    for (const StoredSegment& segment : stored.segments) {
      const auto [entry, is_new] =
          index_of_id.try_emplace(segment.object_id, draft.object_ids.size());
      if (is_new) draft.object_ids.push_back(segment.object_id);
      file.segments.push_back(
          {entry->second, segment.tensor_name, segment.raw_bytes});
    }
  }
  return draft;
}

std::set<uint64_t> ObjectIdsOf(const StoredRevision& revision) {
  std::set<uint64_t> ids;
  for (const StoredFile& file : revision.files) {
    for (const StoredSegment& segment : file.segments) {
      ids.insert(segment.object_id);
    }
  }
  return ids;
}

std::string RevisionId(const StoredRevision& revision) {
  std::vector<const StoredFile*> files;
  files.reserve(revision.files.size());
  for (const StoredFile& file : revision.files) files.push_back(&file);
  std::sort(files.begin(), files.end(),
            [](const StoredFile* a, const StoredFile* b) {
              return a->path < b->path;
            });
  CanonicalHash hash;
  hash.Add(std::string_view("qstore.revision.1"));
  hash.Add(std::string_view(revision.quantizer));
  hash.Add(uint64_t{files.size()});
  for (const StoredFile* file : files) {
    hash.Add(std::string_view(file->path));
    hash.Add(file->size_bytes);
    hash.Add(uint64_t{file->safetensors});
    hash.Add(uint64_t{file->segments.size()});
    for (const StoredSegment& segment : file->segments) {
      hash.Add(std::string_view(segment.tensor_name));
      hash.Add(segment.raw_bytes);
      hash.Add(AsStringView(segment.content_hash));
    }
  }
  return HexEncode(hash.Finish());
}

}  // namespace qstore::storage
