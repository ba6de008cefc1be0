#include "client/rpc_status.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"

namespace qstore::client {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
// As google.rpc.ErrorInfo bounds it.
constexpr size_t kMaxReasonBytes = 63;

// The fields `number` that hold bytes, of a message whose generated code we
// need for nothing else.
std::vector<std::string> BytesFields(const std::string& message, int number) {
  UnknownFieldSet fields;
  std::vector<std::string> found;
  if (!fields.ParseFromString(message)) return found;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number &&
        field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      found.push_back(field.length_delimited());
    }
  }
  return found;
}

bool IsReason(const std::string& text) {
  return !text.empty() && text.size() <= kMaxReasonBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isupper(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                  c == '_';
         });
}

// Keeps google.rpc.RetryInfo and the reason of google.rpc.ErrorInfo (1 reason),
// details (Any: 1 type_url, 2 value) of google.rpc.Status (3 details).
void KeepDetails(const grpc::Status& from, absl::Status* status) {
  for (const std::string& any : BytesFields(from.error_details(), 3)) {
    const std::vector<std::string> url = BytesFields(any, 1);
    const std::vector<std::string> value = BytesFields(any, 2);
    if (url.size() != 1 || value.size() != 1) continue;
    if (url[0] == kRetryInfoUrl) {
      status->SetPayload(kRetryInfoUrl, absl::Cord(value[0]));
    } else if (url[0] == kErrorInfoUrl) {
      const std::vector<std::string> reason = BytesFields(value[0], 1);
      if (reason.size() == 1 && IsReason(reason[0])) {
        *status = WithReason(*status, reason[0]);
      }
    }
  }
}

absl::Status Translate(const grpc::Status& status, const std::string& server) {
  // absl took over gRPC's numbers; what is out of range becomes UNKNOWN.
  const int number = static_cast<int>(status.error_code());
  const auto code =
      number > 0 &&
              number <= static_cast<int>(absl::StatusCode::kUnauthenticated)
          ? static_cast<absl::StatusCode>(number)
          : absl::StatusCode::kUnknown;
  const std::string& text = status.error_message();
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return MakeStatus(
          code,
          absl::StrCat("qstored at ", server, " does not answer any more (",
                       text, "): see whether it still runs, then try again"));
    case absl::StatusCode::kUnimplemented:
      return MakeStatus(
          code,
          absl::StrCat("the server at ", server, " does not know this call (",
                       text, "): is it qstored, and of this version?"));
    default:
      break;
  }
  if (text.empty()) {
    return MakeStatus(code, absl::StrCat("qstored at ", server, " answered ",
                                         StatusCodeName(code),
                                         " and gave no reason: see its log"));
  }
  return MakeStatus(code, text);
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status,
                            const std::string& server) {
  if (status.ok()) return absl::OkStatus();
  absl::Status translated = Translate(status, server);
  KeepDetails(status, &translated);
  return translated;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const absl::optional<absl::Cord> info = status.GetPayload(kRetryInfoUrl);
  if (!info.has_value()) return std::nullopt;
  // google.rpc.RetryInfo: 1 retry_delay.
  google::protobuf::Duration delay;
  for (const std::string& field : BytesFields(std::string(*info), 1)) {
    if (!delay.ParseFromString(field)) return std::nullopt;
  }
  return std::max(absl::ZeroDuration(), absl::Seconds(delay.seconds()) +
                                            absl::Nanoseconds(delay.nanos()));
}

bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    // Not by us, whoever asks knows: the server gave the call up.
    case absl::StatusCode::kCancelled:
      return true;
    case absl::StatusCode::kResourceExhausted:
      // Without a sentence of the server's: its gRPC had no memory for more.
      return RetryDelay(status).has_value() ||
             absl::StrContains(status.message(), "RST_STREAM");
    // gRPC's words for a stream that a proxy or a dying server reset.
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return absl::StrContains(status.message(), "RST_STREAM") ||
             absl::StrContains(status.message(), "Stream removed");
    default:
      return false;
  }
}

std::string StatusCodeName(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

}  // namespace qstore::client
