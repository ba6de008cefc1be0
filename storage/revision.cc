#include "storage/revision.h"

#include <algorithm>
#include <string_view>

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
