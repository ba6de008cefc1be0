#include "storage/object_summary.h"

#include "codec/chunk.h"
#include "model/dtype.h"
#include "storage/records/keys.h"
#include "storage/records/records.h"

namespace qstore::storage {
namespace {

constexpr uint64_t kScaleBytes = 4;

uint64_t Int8CopyBytes(const v1::Object& object) {
  if (object.kind() != v1::OBJECT_KIND_QUANTIZED) return object.raw_bytes();
  const uint64_t rows = object.shape(0);
  const uint64_t columns = object.shape(1);
  uint64_t scale_count = 1;
  switch (static_cast<codec::ScaleStrategy>(object.quantization().strategy())) {
    case codec::ScaleStrategy::kTensor:
      break;
    case codec::ScaleStrategy::kChannel:
      scale_count = rows;
      break;
    case codec::ScaleStrategy::kGroup: {
      const uint64_t group_size = object.quantization().group_size();
      scale_count = rows * ((columns + group_size - 1) / group_size);
      break;
    }
  }
  return rows * columns + scale_count * kScaleBytes;
}

// The object's record and its entry in the index of content hashes.
uint64_t RecordBytes(const v1::Object& object) {
  constexpr uint64_t kSealBytes = sizeof(uint64_t);
  return ObjectKey(object.object_id()).size() + object.ByteSizeLong() +
         kSealBytes + HashKey({}).size() + sizeof(uint64_t) + kSealBytes;
}

}  // namespace

ObjectSummary Summarize(const v1::Object& object) {
  ObjectSummary summary;
  summary.object_id = object.object_id();
  summary.kind = object.kind();
  summary.content_hash = DigestFromBytes(object.content_hash());
  summary.raw_bytes = object.raw_bytes();
  summary.int8_copy_bytes = Int8CopyBytes(object);
  uint64_t plain_bytes = 0;
  for (const v1::Chunk& chunk : object.chunks()) {
    if (chunk.has_int8()) {
      summary.int8_bytes += kDataKeyBytes + chunk.int8().size_bytes();
    }
    for (const v1::Blob& blob : chunk.residual()) {
      summary.residual_bytes += kDataKeyBytes + blob.size_bytes();
    }
    if (chunk.has_plain()) {
      plain_bytes += kDataKeyBytes + chunk.plain().size_bytes();
    }
  }
  summary.other_bytes = RecordBytes(object);
  if (object.kind() == v1::OBJECT_KIND_OPAQUE) {
    summary.other_bytes += plain_bytes;
  } else {
    summary.plain_bytes = plain_bytes;
  }
  return summary;
}

}  // namespace qstore::storage
