// Records of the store in the terms of the public API, and back.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/names.h"
#include "qstore/storage/v1/manifest.pb.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::server {

v1::BytesByKind ToWire(const storage::v1::StoredBytes& stored);

// Validates names; "latest" when neither tag nor revision is given.
absl::StatusOr<ModelReference> FromWire(const v1::Reference& reference);

// "org/name:tag" as the client sent it, for messages and the log.
std::string NameOf(const v1::Reference& reference);

// Spelled as in safetensors; empty for opaque objects and unknown numbers.
std::string DtypeNameOf(const storage::v1::Object& object);

// Stored bytes of one object, keys included. `other` for opaque objects.
v1::BytesByKind StoredBytesOf(const storage::v1::Object& object);

}  // namespace qstore::server
