// A DownloadResponse with a Value, made without copying the payload: a small
// header written by hand, then a slice that references the stored value.
// docs/format.md, "Wire".
#pragma once

#include <cstdint>
#include <memory>

#include "grpcpp/support/byte_buffer.h"
#include "model/read_plan.h"
#include "qstore/v1/model_store.pb.h"
#include "server/download/pinned_bytes.h"

namespace qstore::server {

// The value stays pinned until gRPC has released the message.
grpc::ByteBuffer ValueMessage(uint64_t object_index, uint32_t chunk_index,
                              const model::ValueAddress& address,
                              std::shared_ptr<const CountedValue> value);

// Any other message of the stream.
grpc::ByteBuffer SerializedMessage(const v1::DownloadResponse& response);

}  // namespace qstore::server
