// Bytes by layer as messages, and back.
#pragma once

#include "absl/status/statusor.h"
#include "model/layer_bytes.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::wire {

void ToWire(const model::LayerBytes& bytes, v1::LayerBytes* message);
// INVALID_ARGUMENT: a number that no layer can have.
absl::StatusOr<model::LayerBytes> FromWire(const v1::LayerBytes& message);

}  // namespace qstore::wire
