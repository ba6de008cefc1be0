// References in the terms of the public API, and back.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "model/names.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::server {

// Validates names; "latest" when neither tag nor revision is given.
absl::StatusOr<ModelReference> FromWire(const v1::Reference& reference);

// "org/name:tag" as the client sent it, for messages and the log.
std::string NameOf(const v1::Reference& reference);

}  // namespace qstore::server
