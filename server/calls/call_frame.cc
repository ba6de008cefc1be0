#include "server/calls/call_frame.h"

#include <spdlog/spdlog.h>

#include <cassert>
#include <string_view>
#include <utility>

#include "base/byte_format.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "server/calls/reference_message.h"
#include "server/calls/request_id.h"
#include "server/connections/peer_address.h"

namespace qstore::server {
namespace {

// Faults of ours or of the disk, which an operator must see.
bool IsServerFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kUnknown;
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
  return ToGrpcStatus(WithResource(ended, object_), subject_);
}

void CallFrame::Log(const absl::Status& status, double seconds) const {
  if (status.ok()) {
    spdlog::info("{} {} from {}: OK, {} in {:.3f} s, request {}", method_.name,
                 object_, peer_, FormatBytes(payload_bytes_), seconds,
                 request_id_);
    return;
  }
  spdlog::log(
      IsServerFault(status.code()) ? spdlog::level::err : spdlog::level::warn,
      "{} {} from {}: {} ({}) after {} in {:.3f} s, request {}", method_.name,
      object_, peer_,
      status.ToString(absl::StatusToStringMode::kWithNoExtraData),
      ReasonOf(status), FormatBytes(payload_bytes_), seconds, request_id_);
}

}  // namespace qstore::server
