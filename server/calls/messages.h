// Messages of the API as gRPC carries them. Our methods take and give bytes, so
// that what cannot be parsed gets a sentence, and what an answer takes is
// known.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace qstore::server {

// INVALID_ARGUMENT: the bytes are no such message.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          google::protobuf::Message* message);

grpc::ByteBuffer Serialized(const google::protobuf::Message& message);

}  // namespace qstore::server
