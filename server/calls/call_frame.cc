#include "server/calls/call_frame.h"

#include <cassert>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/byte_format.h"
#include "server/calls/reference_message.h"
#include "server/calls/request_id.h"
#include "server/connections/peer_address.h"
#include "server/log_format.h"

namespace qstore::server {
namespace {

// Faults of ours or of the disk, which an operator must see.
bool IsFaultOfOurs(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    case absl::StatusCode::kDataLoss:
      // What came damaged is the network's, and is sent again.
      return ReasonOf(status) != kReasonDamagedInTransit;
    default:
      return false;
  }
}

}  // namespace

CallFrame::CallFrame(const CallEnvironment& environment,
                     const CallMethod& method, grpc::ServerContextBase* context,
                     std::string object)
    : environment_(environment),
      method_(method),
      context_(context),
      peer_(context->peer()),
      peer_address_(PeerAddressOf(std::string_view(peer_))),
      request_id_(RequestIdOf(*context)),
      begin_(std::chrono::steady_clock::now()),
      object_(std::move(object)) {
  context->AddInitialMetadata(kRequestIdKey, request_id_);
}

absl::Status CallFrame::AuthorizeWhole() {
  return method_.about_model ? absl::OkStatus() : Authorize(std::string());
}

absl::StatusOr<ModelReference> CallFrame::Authorize(
    const v1::Reference& reference) {
  set_object(NameOf(reference));
  QSTORE_ASSIGN_OR_RETURN(ModelReference parsed, FromWire(reference));
  QSTORE_RETURN_IF_ERROR(Authorize(parsed.model));
  subject_.revision = parsed.revision_prefix;
  return parsed;
}

absl::Status CallFrame::Authorize(const std::string& model) {
  if (method_.about_model) QSTORE_RETURN_IF_ERROR(ValidateModelName(model));
  subject_.model = model;
  QSTORE_RETURN_IF_ERROR(environment_.rights->Check(method_, model));
  authorized_ = true;
  return absl::OkStatus();
}

grpc::Status CallFrame::End(const absl::Status& status) {
  assert(authorized_ || !status.ok());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_)
          .count();
  const absl::Status ended = WithDefaultReason(
      method_.advises_on_damage ? AdviseOnDamage(status) : status);
  Log(ended, seconds);
  environment_.counts->Add(method_, ended.code(), payload_bytes_, seconds);
  return ToGrpcStatus(
      WithResource(environment_.data_dir == nullptr
                       ? ended
                       : HideDirectory(ended, *environment_.data_dir),
                   object_),
      subject_);
}

void CallFrame::Log(const absl::Status& status, double seconds) const {
  const std::string call = absl::StrCat(
      method_.name, object_.empty() ? "" : " ", object_, " from ", peer_, ": ");
  const std::string amount =
      absl::StrFormat("%s, %.3f s", FormatBytes(payload_bytes_), seconds);
  const std::string request = absl::StrCat(", request ", request_id_);
  if (status.ok()) {
    LogWithFields(spdlog::level::info,
                  absl::StrCat(call, "OK, ", outcome_,
                               outcome_.empty() ? "" : ", ", amount, request),
                  LogFields(status, seconds));
    return;
  }
  // What belongs to the call stands apart from the sentence, which may end in
  // advice.
  LogWithFields(
      IsFaultOfOurs(status) ? spdlog::level::err : spdlog::level::warn,
      absl::StrCat(call,
                   status.ToString(absl::StatusToStringMode::kWithNoExtraData),
                   " (", ReasonOf(status), ") (", amount, ")", request),
      LogFields(status, seconds));
}

nlohmann::ordered_json CallFrame::LogFields(const absl::Status& status,
                                            double seconds) const {
  nlohmann::ordered_json fields = {
      {"method", method_.name},
      {"object", object_},
      {"peer", peer_},
      {"code", absl::StatusCodeToString(status.code())},
      {"bytes", payload_bytes_},
      {"seconds", seconds},
      {"request_id", request_id_}};
  if (!subject_.revision.empty()) fields["revision"] = subject_.revision;
  if (!outcome_.empty()) fields["outcome"] = outcome_;
  if (!status.ok()) fields["reason"] = ReasonOf(status);
  return fields;
}

}  // namespace qstore::server
