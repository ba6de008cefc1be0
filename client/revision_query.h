// Asks the server about a revision, and whether it can be had as a person
// wants it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "model/names.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

void ToProto(const ModelReference& reference, v1::Reference* proto);

absl::StatusOr<v1::GetRevisionResponse> GetRevision(
    Connection* connection, const ModelReference& reference,
    Cancellation* cancellation);

// fp16, bf16 and fp32 stand for the original where it has that type;
// FAILED_PRECONDITION (kReasonOtherPrecision) says what it has otherwise.
absl::StatusOr<v1::Precision> ResolvePrecision(
    const std::string& precision, const v1::GetRevisionResponse& revision);

// FAILED_PRECONDITION (kReasonNoInt8) when nothing of it is quantized: what
// would be written would be the original.
absl::Status CheckHasInt8(const v1::GetRevisionResponse& revision);

}  // namespace qstore::client
