// Records of the manifest family, against any bytes. The first byte of an input
// chooses the record; the rest is its payload, sealed here so that the checksum
// does not keep the parser from seeing it. Seeds are such a byte and what
// `protoc --encode=qstore.storage.v2.Object` (or Revision) makes of a text.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <string>

#include "codec/layers.h"
#include "model/names.h"
#include "model/read_plan.h"
#include "storage/objects/object_summary.h"
#include "storage/records/keys.h"
#include "storage/records/record_messages.h"
#include "storage/records/records.h"
#include "storage/records/validate_records.h"
#include "tests/fuzz_check.h"

namespace qstore::storage {
namespace {

// What readers count on.
void CheckChunk(const model::Chunk& chunk) {
  QSTORE_FUZZ_CHECK(chunk.raw_bytes > 0 &&
                    chunk.raw_bytes <= model::kMaxChunkRawBytes);
  QSTORE_FUZZ_CHECK(!chunk.layers.empty());
  const codec::Layer* top = codec::FindLayer(chunk.layers.back().layer);
  QSTORE_FUZZ_CHECK(top != nullptr && top->gives_original);
  const auto layer_count = static_cast<uint32_t>(chunk.layers.size());
  uint64_t value_bytes = 0;
  for (const model::ValueAddress& value : model::ValuesOf(chunk, layer_count)) {
    QSTORE_FUZZ_CHECK(value.size_bytes > 0 &&
                      value.size_bytes <= model::kMaxValueBytes);
    value_bytes += value.size_bytes;
  }
  QSTORE_FUZZ_CHECK(value_bytes == model::StoredBytesOf(chunk, layer_count));
  for (const model::LayerBlobs& layer : chunk.layers) {
    for (const model::Blob& blob : layer.blobs) {
      QSTORE_FUZZ_CHECK(blob.size_bytes <= model::kMaxBlobBytes);
    }
  }
}

void CheckObject(const std::string& payload) {
  v2::Object message;
  if (!message.ParseFromString(payload)) return;
  const uint64_t id = message.object_id();
  const auto object =
      ParseObjectRecord(id, AsBytes(SealRecord(ObjectKey(id), payload)));
  const absl::StatusOr<model::Object> converted = FromMessage(message);
  QSTORE_FUZZ_CHECK(object.ok() ==
                    (converted.ok() && ValidateStoredObject(*converted).ok()));
  if (!object.ok()) {
    QSTORE_FUZZ_CHECK(absl::IsDataLoss(object.status()));
    return;
  }
  const absl::StatusOr<model::Object> again = FromMessage(ToMessage(*object));
  QSTORE_FUZZ_CHECK(again.ok() && *again == *object);
  const ObjectSummary summary = Summarize(*object);
  QSTORE_FUZZ_CHECK(summary.raw_bytes == object->raw_bytes);
  for (const model::Chunk& chunk : object->chunks) CheckChunk(chunk);
}

void CheckRevision(const std::string& payload) {
  v2::Revision message;
  if (!message.ParseFromString(payload)) return;
  const absl::StatusOr<StoredRevision> converted = FromMessage(message);
  // The id that its content gives, so that it can be right.
  if (converted.ok()) message.set_revision(RevisionId(*converted));
  const std::string& model = message.model();
  const std::string& id = message.revision();
  const auto revision = ParseRevisionRecord(
      model, id,
      AsBytes(SealRecord(RevisionKey(model, id), message.SerializeAsString())));
  QSTORE_FUZZ_CHECK(revision.ok() ==
                    (converted.ok() && ValidateRevision(*converted).ok()));
  if (!revision.ok()) {
    QSTORE_FUZZ_CHECK(absl::IsDataLoss(revision.status()));
    return;
  }
  const absl::StatusOr<StoredRevision> again =
      FromMessage(ToMessage(*revision));
  QSTORE_FUZZ_CHECK(again.ok() && *again == *revision);
  for (const StoredFile& file : revision->files) {
    QSTORE_FUZZ_CHECK(ValidateRelativePath(file.path).ok());
    uint64_t size_bytes = 0;
    for (const StoredSegment& segment : file.segments) {
      size_bytes += segment.raw_bytes;
    }
    QSTORE_FUZZ_CHECK(size_bytes == file.size_bytes);
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
