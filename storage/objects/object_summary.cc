#include "storage/objects/object_summary.h"

#include <map>

#include "codec/layers.h"
#include "model/chunk_description.h"
#include "model/manifest.h"
#include "storage/records/keys.h"
#include "storage/records/record_messages.h"
#include "storage/records/records.h"

namespace qstore::storage {
namespace {

// Chunks of one lowest layer are counted as one long chunk: a scale that the
// whole tensor shares comes with each of them, but a file has it once.
uint64_t LowPrecisionBytes(const model::Object& object) {
  std::map<codec::LayerNumber, codec::ChunkDescription> by_lowest;
  for (const model::Chunk& chunk : object.chunks) {
    const auto description = model::DescribeChunk(object, chunk);
    if (!description.ok()) return object.raw_bytes;
    const auto [sum, is_new] =
        by_lowest.emplace(chunk.layers.front().layer, *description);
    if (is_new) continue;
    sum->second.raw_bytes += chunk.raw_bytes;
    if (sum->second.shape.has_value()) sum->second.shape->rows += chunk.rows;
  }
  uint64_t bytes = 0;
  for (const auto& [number, description] : by_lowest) {
    const codec::Layer* layer = codec::FindLayer(number);
    bytes += layer == nullptr ? description.raw_bytes
                              : layer->decoded_bytes(description);
  }
  return bytes;
}

// The object's record and its entry in the index of content hashes.
uint64_t RecordBytes(const model::Object& object) {
  return ObjectKey(object.id).size() + ToMessage(object).ByteSizeLong() +
         kSealBytes + HashKey({}).size() + sizeof(uint64_t) + kSealBytes;
}

static_assert(kDataKeyBytes == model::kValueKeyBytes);

}  // namespace

ObjectSummary Summarize(const model::Object& object) {
  ObjectSummary summary;
  summary.object_id = object.id;
  summary.content_hash = object.content_hash;
  summary.raw_bytes = object.raw_bytes;
  summary.low_precision_bytes = LowPrecisionBytes(object);
  summary.stored = model::StoredValueBytes(object);
  summary.stored.AddOther(RecordBytes(object));
  return summary;
}

}  // namespace qstore::storage
