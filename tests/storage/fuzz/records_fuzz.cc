// Records of the manifest family, against any bytes. The first byte of an input
// chooses the record; the rest is its payload, sealed here so that the checksum
// does not keep the parser from seeing it.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <string>

#include "model/names.h"
#include "storage/object_summary.h"
#include "storage/records/keys.h"
#include "storage/records/records.h"
#include "storage/records/validate_records.h"
#include "tests/fuzz_check.h"

namespace qstore::storage {
namespace {

void CheckObject(const std::string& payload) {
  v1::Object message;
  if (!message.ParseFromString(payload)) return;
  const uint64_t id = message.object_id();
  const auto object =
      ParseObjectRecord(id, AsBytes(SealRecord(ObjectKey(id), payload)));
  QSTORE_FUZZ_CHECK(object.ok() == ValidateObject(message).ok());
  if (!object.ok()) {
    QSTORE_FUZZ_CHECK(absl::IsDataLoss(object.status()));
    return;
  }
  const ObjectSummary summary = Summarize(*object);
  QSTORE_FUZZ_CHECK(summary.raw_bytes == object->raw_bytes());
  for (const v1::Chunk& chunk : object->chunks()) {
    QSTORE_FUZZ_CHECK(chunk.raw_bytes() <= kMaxChunkRawBytes);
    QSTORE_FUZZ_CHECK(chunk.int8().size_bytes() <= kMaxBlobBytes);
    QSTORE_FUZZ_CHECK(chunk.plain().size_bytes() <= kMaxBlobBytes);
  }
}

void CheckRevision(const std::string& payload) {
  v1::Revision message;
  if (!message.ParseFromString(payload)) return;
  // The id that its content gives, so that it can be right.
  message.set_revision(RevisionId(message));
  const std::string& model = message.model();
  const std::string& id = message.revision();
  const auto revision = ParseRevisionRecord(
      model, id,
      AsBytes(SealRecord(RevisionKey(model, id), message.SerializeAsString())));
  QSTORE_FUZZ_CHECK(revision.ok() == ValidateRevision(message).ok());
  if (!revision.ok()) {
    QSTORE_FUZZ_CHECK(absl::IsDataLoss(revision.status()));
    return;
  }
  for (const v1::File& file : revision->files()) {
    QSTORE_FUZZ_CHECK(ValidateRelativePath(file.path()).ok());
    uint64_t size_bytes = 0;
    for (const v1::Segment& segment : file.segments()) {
      size_bytes += segment.raw_bytes();
    }
    QSTORE_FUZZ_CHECK(size_bytes == file.size_bytes());
  }
}

// As they lie in the store, without a right seal.
void CheckSealed(const std::string& sealed) {
  const auto payload = UnsealRecord("key", AsBytes(sealed));
  if (payload.ok()) {
    QSTORE_FUZZ_CHECK(SealRecord("key", *payload) == sealed);
  }
  if (const auto key = DataKey::Decode(sealed); key.has_value()) {
    QSTORE_FUZZ_CHECK(key->Encode() == sealed);
  }
  QSTORE_FUZZ_CHECK(!ParseObjectRecord(1, AsBytes(sealed)).ok());
}

}  // namespace
}  // namespace qstore::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  if (size_bytes == 0) return 0;
  // Protobuf prints a line for every name that is not UTF-8.
  static google::protobuf::LogHandler* const kSilenced =
      google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(kSilenced);
  const std::string rest(reinterpret_cast<const char*>(input) + 1,
                         size_bytes - 1);
  switch (input[0]) {
    case 'o':
      qstore::storage::CheckObject(rest);
      break;
    case 'r':
      qstore::storage::CheckRevision(rest);
      break;
    default:
      qstore::storage::CheckSealed(rest);
      break;
  }
  return 0;
}
