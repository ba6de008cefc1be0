#include "server/calls/status_mapping.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include "absl/strings/cord.h"
#include "base/status.h"

namespace qstore::server {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kResourceInfoUrl[] =
    "type.googleapis.com/google.rpc.ResourceInfo";
constexpr char kModelResourceType[] = "qstore.v1.Model";

// gRPC carries status in HTTP/2 trailers, which peers limit to 8 KiB; the
// details repeat the message.
constexpr size_t kMaxMessageBytes = 2048;

// Writes length-delimited fields: the messages of google/rpc that we send are
// made of nothing else, so they need no generated code.
class FieldWriter {
 public:
  void AddBytes(int number, const std::string& value) {
    google::protobuf::io::StringOutputStream stream(&bytes_);
    google::protobuf::io::CodedOutputStream coded(&stream);
    WireFormatLite::WriteBytes(number, value, &coded);
  }
  void AddInt32(int number, int value) {
    google::protobuf::io::StringOutputStream stream(&bytes_);
    google::protobuf::io::CodedOutputStream coded(&stream);
    WireFormatLite::WriteInt32(number, value, &coded);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string CutMessage(const absl::Status& status) {
  std::string message(status.message());
  if (message.size() > kMaxMessageBytes) {
    message.resize(kMaxMessageBytes);
    message += "...";
  }
  return message;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // The numbers of absl's codes are those of gRPC's.
  const auto code = static_cast<grpc::StatusCode>(status.raw_code());
  const std::string message = CutMessage(status);
  // google.rpc.Status: 1 code, 2 message, 3 details.
  FieldWriter details;
  bool any_details = false;
  details.AddInt32(1, status.raw_code());
  details.AddBytes(2, message);
  status.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& value) {
        google::protobuf::Any any;
        any.set_type_url(std::string(type_url));
        any.set_value(std::string(value));
        details.AddBytes(3, any.SerializeAsString());
        any_details = true;
      });
  return any_details ? grpc::Status(code, message, details.bytes())
                     : grpc::Status(code, message);
}

absl::Status ClientGoneError() {
  return absl::CancelledError("the client cancelled or went away");
}

absl::Status WithRetryHint(absl::Status status, absl::Duration delay) {
  if (status.ok()) return status;
  google::protobuf::Duration duration;
  duration.set_seconds(absl::ToInt64Seconds(delay));
  // google.rpc.RetryInfo: 1 retry_delay.
  FieldWriter info;
  info.AddBytes(1, duration.SerializeAsString());
  status.SetPayload(kRetryInfoUrl, absl::Cord(info.bytes()));
  return status;
}

absl::Status AdviseOnDamage(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return MakeStatus(status.code(),
                    std::string(status.message()) +
                        ": upload it again from its source, which stores it "
                        "anew, or restore a backup");
}

absl::Status WithResource(absl::Status status, const std::string& name) {
  if (status.ok() || name.empty()) return status;
  // google.rpc.ResourceInfo: 1 resource_type, 2 resource_name.
  FieldWriter info;
  info.AddBytes(1, kModelResourceType);
  info.AddBytes(2, name);
  status.SetPayload(kResourceInfoUrl, absl::Cord(info.bytes()));
  return status;
}

}  // namespace qstore::server
