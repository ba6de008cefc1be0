#include "storage/records/records.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "storage/records/keys.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

uint64_t Checksum(std::string_view key, std::string_view payload) {
  return Xxh3(AsBytes(std::string(key).append(payload)));
}

absl::Status Damaged(std::string_view key, std::string_view why) {
  return absl::DataLossError(
      absl::StrCat("record ", Quoted(key), " is damaged: ", AbslView(why)));
}

template <typename Record>
absl::StatusOr<Record> ParsePayload(const std::string& key, ByteView sealed,
                                    absl::Status (*validate)(const Record&)) {
  QSTORE_ASSIGN_OR_RETURN(const std::string_view payload,
                          UnsealRecord(key, sealed));
  Record record;
  if (payload.size() > kMaxRecordBytes ||
      !record.ParseFromArray(payload.data(),
                             static_cast<int>(payload.size()))) {
    return Damaged(key, "it cannot be parsed");
  }
  if (const absl::Status status = validate(record); !status.ok()) {
    return Damaged(key, std::string(status.message()));
  }
  return record;
}

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

std::string SealRecord(std::string_view key, std::string_view payload) {
  std::string sealed(payload);
  sealed.resize(payload.size() + kSealBytes);
  StoreLittleEndian(Checksum(key, payload), sealed.data() + payload.size());
  return sealed;
}

absl::StatusOr<std::string_view> UnsealRecord(std::string_view key,
                                              ByteView sealed) {
  if (sealed.size() < kSealBytes) return Damaged(key, "it is too short");
  const std::string_view payload =
      AsStringView(sealed.first(sealed.size() - kSealBytes));
  if (LoadLittleEndian<uint64_t>(sealed.data() + payload.size()) !=
      Checksum(key, payload)) {
    return Damaged(key, "its checksum does not match");
  }
  return payload;
}

absl::StatusOr<v1::Object> ParseObjectRecord(uint64_t object_id,
                                             ByteView sealed) {
  const std::string key = ObjectKey(object_id);
  QSTORE_ASSIGN_OR_RETURN(
      v1::Object object, ParsePayload<v1::Object>(key, sealed, ValidateObject));
  if (object.object_id() != object_id) {
    return Damaged(key, absl::StrCat("it names object ", object.object_id()));
  }
  return object;
}

absl::StatusOr<v1::Revision> ParseRevisionRecord(std::string_view model,
                                                 std::string_view revision,
                                                 ByteView sealed) {
  const std::string key = RevisionKey(model, revision);
  QSTORE_ASSIGN_OR_RETURN(
      v1::Revision record,
      ParsePayload<v1::Revision>(key, sealed, ValidateRevision));
  if (record.model() != model || record.revision() != revision) {
    return Damaged(key, absl::StrCat("it names ", Quoted(record.model()), "@",
                                     Quoted(record.revision())));
  }
  if (RevisionId(record) != record.revision()) {
    return Damaged(key, "its content does not give its id");
  }
  return record;
}

std::string SealNumber(std::string_view key, uint64_t number) {
  std::string payload(sizeof(number), '\0');
  StoreLittleEndian(number, payload.data());
  return SealRecord(key, payload);
}

absl::StatusOr<uint64_t> UnsealNumber(std::string_view key, ByteView sealed) {
  QSTORE_ASSIGN_OR_RETURN(const std::string_view payload,
                          UnsealRecord(key, sealed));
  if (payload.size() != sizeof(uint64_t)) {
    return Damaged(key, "it is not a number");
  }
  return LoadLittleEndian<uint64_t>(payload.data());
}

Sha256Digest DigestFromBytes(std::string_view text) {
  Sha256Digest digest = {};
  std::copy_n(text.begin(), std::min(text.size(), digest.size()),
              digest.begin());
  return digest;
}

std::string RevisionId(const v1::Revision& revision) {
  std::vector<const v1::File*> files;
  for (const v1::File& file : revision.files()) files.push_back(&file);
  std::sort(files.begin(), files.end(),
            [](const v1::File* a, const v1::File* b) {
              return a->path() < b->path();
            });
  CanonicalHash hash;
  hash.Add(std::string_view("qstore.revision.1"));
  hash.Add(std::string_view(revision.quantizer()));
  hash.Add(uint64_t{files.size()});
  for (const v1::File* file : files) {
    hash.Add(std::string_view(file->path()));
    hash.Add(file->size_bytes());
    hash.Add(uint64_t{file->safetensors()});
    hash.Add(static_cast<uint64_t>(file->segments_size()));
    for (const v1::Segment& segment : file->segments()) {
      hash.Add(std::string_view(segment.tensor_name()));
      hash.Add(segment.raw_bytes());
      hash.Add(std::string_view(segment.content_hash()));
    }
  }
  return HexEncode(hash.Finish());
}

uint64_t TotalBytes(const v1::StoredBytes& stored) {
  return stored.int8() + stored.residual() + stored.plain() + stored.other();
}

}  // namespace qstore::storage
