#include "server/calls/messages.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"

namespace qstore::server {

absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          google::protobuf::Message* message) {
  grpc::ByteBuffer copy = bytes;  // of references: the reader takes it apart
  grpc::ProtoBufferReader reader(&copy);
  if (reader.status().ok() && message->ParseFromZeroCopyStream(&reader)) {
    return absl::OkStatus();
  }
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat(
          bytes.Length(), " bytes came that are no ",
          message->GetDescriptor()->full_name(),
          ": they are of another API, or hold a name that is not UTF-8")),
      kReasonInvalidRequest);
}

grpc::ByteBuffer Serialized(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

}  // namespace qstore::server
