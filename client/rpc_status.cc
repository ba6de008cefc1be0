#include "client/rpc_status.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <iterator>
#include <utility>
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

// What the server says of an error beside code and sentence.
struct Details {
  std::string reason;      // of google.rpc.ErrorInfo; empty: none
  std::string retry_info;  // google.rpc.RetryInfo, serialized; empty: none
};

// Out of google.rpc.Status (3 details), Any (1 type_url, 2 value) and
// google.rpc.ErrorInfo (1 reason).
Details DetailsOf(const grpc::Status& status) {
  Details details;
  for (const std::string& any : BytesFields(status.error_details(), 3)) {
    const std::vector<std::string> url = BytesFields(any, 1);
    const std::vector<std::string> value = BytesFields(any, 2);
    if (url.size() != 1 || value.size() != 1) continue;
    if (url[0] == kRetryInfoUrl) {
      details.retry_info = value[0];
    } else if (url[0] == kErrorInfoUrl) {
      const std::vector<std::string> reason = BytesFields(value[0], 1);
      if (reason.size() == 1 && IsReason(reason[0])) details.reason = reason[0];
    }
  }
  return details;
}

absl::StatusCode CodeOf(const grpc::Status& status) {
  // absl took over gRPC's numbers; what is out of range becomes UNKNOWN.
  const int number = static_cast<int>(status.error_code());
  return number > 0 &&
                 number <= static_cast<int>(absl::StatusCode::kUnauthenticated)
             ? static_cast<absl::StatusCode>(number)
             : absl::StatusCode::kUnknown;
}

// Where a stream is reset, there is no room for details: a server that cuts a
// client off puts its reason before its sentence, "SLOW_CLIENT: the client...".
// Takes it from `sentence`; empty: there is none.
std::string TakeReason(absl::StatusCode code, std::string* sentence) {
  const size_t colon = sentence->find(": ");
  if (colon == std::string::npos) return "";
  std::string word = sentence->substr(0, colon);
  const ErrorReason* const reason = FindErrorReason(word);
  if (reason == nullptr || reason->code != code) return "";
  sentence->erase(0, colon + 2);
  return word;
}

// gRPC's words for a stream that a proxy or a dying server reset; it gives
// nothing else to tell that by.
bool IsReset(absl::StatusCode code, const std::string& text) {
  // RESOURCE_EXHAUSTED: the server's gRPC had no memory for more.
  return (code == absl::StatusCode::kInternal ||
          code == absl::StatusCode::kUnknown ||
          code == absl::StatusCode::kResourceExhausted) &&
         (absl::StrContains(text, "RST_STREAM") ||
          absl::StrContains(text, "Stream removed"));
}

// An error that the server's own code did not answer with: gRPC's, a proxy's,
// or that of a stream which the server has reset.
absl::Status WithoutDetails(absl::StatusCode code, std::string text,
                            const std::string& server) {
  if (code == absl::StatusCode::kUnavailable || IsReset(code, text)) {
    return WithReason(
        MakeStatus(absl::StatusCode::kUnavailable,
                   absl::StrCat("qstored at ", server,
                                " does not answer any more (", text,
                                "): see whether it still runs, then try "
                                "again")),
        kReasonConnectionLost);
  }
  if (code == absl::StatusCode::kUnimplemented) {
    text = absl::StrCat("the server at ", server, " does not know this call (",
                        text, "): is it qstored, and of this version?");
  } else if (const std::string reason = TakeReason(code, &text);
             !reason.empty()) {
    return WithReason(
        MakeStatus(code, absl::StrCat("qstored at ", server,
                                      " has cut this call off: ", text)),
        reason);
  } else if (text.empty()) {
    text =
        absl::StrCat("qstored at ", server, " answered ", StatusCodeName(code),
                     " and gave no reason: see its log");
  }
  return WithDefaultReason(MakeStatus(code, text));
}

}  // namespace

absl::Status FromGrpcStatus(const grpc::Status& status,
                            const std::string& server) {
  if (status.ok()) return absl::OkStatus();
  const absl::StatusCode code = CodeOf(status);
  const Details details = DetailsOf(status);
  std::string text = status.error_message();
  absl::Status translated;
  if (details.reason.empty()) {
    translated = WithoutDetails(code, std::move(text), server);
  } else {
    if (details.reason == kReasonDraining) {
      text = absl::StrCat("qstored at ", server, " is being stopped (", text,
                          "): try again when it runs again");
    }
    translated = WithReason(MakeStatus(code, text), details.reason);
  }
  if (!details.retry_info.empty()) {
    translated.SetPayload(kRetryInfoUrl, absl::Cord(details.retry_info));
  }
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
  static constexpr const char* kPassing[] = {
      kReasonUnreachable, kReasonConnectionLost, kReasonDraining,
      kReasonUnavailable,
      // Not by us, whoever asks knows: the server gave the call up.
      kReasonCancelled, kReasonSlowClient};
  if (RetryDelay(status).has_value()) return true;
  const std::string reason = EffectiveReasonOf(status);
  return std::find(std::begin(kPassing), std::end(kPassing), reason) !=
         std::end(kPassing);
}

std::string StatusCodeName(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

}  // namespace qstore::client
