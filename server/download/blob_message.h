// A DownloadResponse with a BlobPart, made without copying the payload: a small
// header written by hand, then a slice that references the stored value.
// docs/format.md, "Wire".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "grpcpp/support/byte_buffer.h"
#include "qstore/v1/model_store.pb.h"
#include "server/download/pinned_bytes.h"

namespace qstore::server {

// What a payload is part of.
struct BlobPosition {
  uint64_t object_index = 0;
  uint32_t chunk_index = 0;
  uint32_t blob_index = 0;
};

// Bytes [offset, offset + size) of a blob, of which `value` holds what begins
// at `value_begin_bytes`; it stays pinned until gRPC has released the message.
// `size` is at least 1.
grpc::ByteBuffer BlobMessage(const BlobPosition& position,
                             std::shared_ptr<const CountedValue> value,
                             size_t offset_bytes, size_t size_bytes,
                             size_t value_begin_bytes = 0);

// Any other message of the stream.
grpc::ByteBuffer SerializedMessage(const v1::DownloadResponse& response);

}  // namespace qstore::server
