#include "server/calls/status_mapping.h"

#include <google/protobuf/message_lite.h>

#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/printable.h"
#include "base/text/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/grpc.h"
#include "grpcpp/support/error_details.h"

namespace qstore::server {
namespace {

constexpr char kTypeUrlPrefix[] = "type.googleapis.com/";
constexpr char kModelResourceType[] = "qstore.v1.Model";
constexpr char kErrorDomain[] = "qstore";

// gRPC carries status in HTTP/2 trailers, which peers limit to 8 KiB: the
// message with what is not printable ASCII as three characters for each byte,
// and the details, which repeat it, in base64.
constexpr size_t kMaxEncodedMessageBytes = 2048;

// How many bytes gRPC's percent-encoding makes of it.
size_t EncodedBytes(std::string_view text) {
  size_t bytes = 0;
  for (const char c : text) {
    bytes += (c >= ' ' && c <= '~' && c != '%') ? 1 : 3;
  }
  return bytes;
}

std::string MessageToSend(const absl::Status& status) {
  const std::string printable = Printable(
      std::string_view(status.message().data(), status.message().size()));
  std::string_view rest = printable;
  std::string message;
  size_t encoded_bytes = 0;
  while (!rest.empty()) {
    const std::string_view from = rest;
    TakeCodePoint(&rest);
    const std::string_view character =
        from.substr(0, from.size() - rest.size());
    encoded_bytes += EncodedBytes(character);
    if (encoded_bytes > kMaxEncodedMessageBytes) return message + "...";
    message += character;
  }
  return message;
}

void SetDetail(const google::protobuf::Message& detail, absl::Status* status) {
  status->SetPayload(
      absl::StrCat(kTypeUrlPrefix, detail.GetDescriptor()->full_name()),
      absl::Cord(detail.SerializeAsString()));
}

google::rpc::ErrorInfo ErrorInfoOf(const std::string& reason,
                                   const ErrorSubject& subject) {
  google::rpc::ErrorInfo error;
  error.set_reason(reason);
  error.set_domain(kErrorDomain);
  auto& metadata = *error.mutable_metadata();
  if (!subject.model.empty()) metadata["model"] = subject.model;
  if (!subject.revision.empty()) metadata["revision"] = subject.revision;
  return error;
}

absl::Status WithMessage(const absl::Status& status,
                         const std::string& message) {
  absl::Status changed(status.code(), message);
  status.ForEachPayload(
      [&changed](absl::string_view type_url, const absl::Cord& payload) {
        changed.SetPayload(type_url, payload);
      });
  return changed;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status,
                          const ErrorSubject& subject) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(MessageToSend(status));
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    details.add_details()->PackFrom(ErrorInfoOf(reason, subject));
  }
  status.ForEachPayload(
      [&details](absl::string_view type_url, const absl::Cord& value) {
        if (type_url == kReasonPayloadUrl) return;
        google::protobuf::Any* detail = details.add_details();
        detail->set_type_url(std::string(type_url));
        detail->set_value(std::string(value));
      });
  if (details.details().empty()) {
    // The numbers of absl's codes are those of gRPC's.
    return {static_cast<grpc::StatusCode>(details.code()), details.message()};
  }
  grpc::Status result;
  // Fails for want of a place for the result alone.
  (void)grpc::SetErrorDetails(details, &result);
  return result;
}

void CutOff(grpc::ServerContextBase* context, const absl::Status& why) {
  const std::string text = absl::StrCat(ReasonOf(why), ": ", why.message());
  // What TryCancel does, with a sentence of ours. Of a server's cancellation
  // gRPC sends code and sentence, in trailers that wait for nothing.
  (void)grpc_call_cancel_with_status(
      context->c_call(), static_cast<grpc_status_code>(why.raw_code()),
      text.c_str(), nullptr);
}

absl::Status ClientGoneError() {
  return WithReason(absl::CancelledError("the client cancelled or went away"),
                    kReasonCancelled);
}

absl::Status SlowClientError(const char* what,
                             std::chrono::milliseconds timeout) {
  return WithReason(absl::CancelledError(absl::StrCat(
                        "the client ", what, " nothing for ",
                        absl::FormatDuration(absl::FromChrono(timeout)))),
                    kReasonSlowClient);
}

absl::Status MadeRoomError() {
  return WithReason(
      absl::CancelledError("the call made room for others: its address had "
                           "more than its share while they waited"),
      kReasonCancelled);
}

absl::Status WithRetryHint(absl::Status status, absl::Duration delay) {
  if (status.ok()) return status;
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  SetDetail(retry, &status);
  return status;
}

absl::Status AdviseOnDamage(const absl::Status& status) {
  if (!absl::IsDataLoss(status) ||
      ReasonOf(status) == kReasonDamagedInTransit) {
    return status;
  }
  return WithMessage(
      status, absl::StrCat(status.message(),
                           ": upload it again from its source, which stores it "
                           "anew, or restore a backup"));
}

absl::Status HideDirectory(const absl::Status& status,
                           const std::string& directory) {
  // What is not absolute tells nothing, and may be part of any word.
  if (status.ok() || directory.size() < 2 || directory.front() != '/') {
    return status;
  }
  const std::string message(status.message());
  if (!absl::StrContains(message, directory)) return status;
  return WithMessage(status,
                     absl::StrReplaceAll(message, {{directory, "<data-dir>"}}));
}

absl::Status WithResource(absl::Status status, const std::string& name) {
  if (status.ok() || name.empty()) return status;
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(kModelResourceType);
  resource.set_resource_name(name);
  SetDetail(resource, &status);
  return status;
}

}  // namespace qstore::server
