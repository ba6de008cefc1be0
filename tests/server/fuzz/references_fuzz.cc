// Names in requests, against any bytes: what the server accepts is valid and
// says the same when it is printed and read again, and the store answers it
// with no more than "not found".
//
// An input is a serialized v1::SetTagRequest.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/text/utf8.h"
#include "model/names.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/reference_message.h"
#include "server/calls/status_mapping.h"
#include "storage/memory/engine.h"
#include "storage/model_store.h"
#include "tests/fuzz_check.h"

namespace qstore::server {
namespace {

// gRPC's trailers carry what is said about a name.
void CheckRefusal(const absl::Status& status, absl::StatusCode expected) {
  QSTORE_FUZZ_CHECK(status.code() == expected);
  const std::string message(status.message());
  QSTORE_FUZZ_CHECK(IsValidUtf8(message));
  const grpc::Status wire = ToGrpcStatus(WithResource(status, message));
  QSTORE_FUZZ_CHECK(wire.error_message().size() + wire.error_details().size() <
                    7000);
}

void Run(const v1::SetTagRequest& request) {
  static auto* const kStore =
      storage::ModelStore::Open(storage::NewMemoryEngine())->release();
  const std::string shown = NameOf(request.reference());
  QSTORE_FUZZ_CHECK(IsValidUtf8(shown) && shown.size() < 1000);
  for (const char c : shown) QSTORE_FUZZ_CHECK(c >= 0x20 || c < 0);

  const auto reference = FromWire(request.reference());
  if (!reference.ok()) {
    CheckRefusal(reference.status(), absl::StatusCode::kInvalidArgument);
    return;
  }
  QSTORE_FUZZ_CHECK(ValidateModelName(reference->model).ok());
  const auto again = ParseModelReference(reference->ToString());
  QSTORE_FUZZ_CHECK(again.ok() && again->model == reference->model);
  CheckRefusal(kStore->OpenRevision(*reference).status(),
               absl::StatusCode::kNotFound);
  CheckRefusal(kStore->Delete(*reference).status(),
               absl::StatusCode::kNotFound);
  const bool good_tag = ValidateTag(request.tag()).ok();
  CheckRefusal(kStore->SetTag(*reference, request.tag()).status(),
               good_tag ? absl::StatusCode::kNotFound
                        : absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace qstore::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  static const google::protobuf::LogSilencer kSilencer;
  qstore::v1::SetTagRequest request;
  if (request.ParseFromArray(input, static_cast<int>(size_bytes))) {
    qstore::server::Run(request);
  }
  return 0;
}
