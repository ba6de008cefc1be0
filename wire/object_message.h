// Objects and their chunks as messages, and back.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/object.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::wire {

// Everything but the chunks.
void ToWire(const model::Object& object, v1::ObjectManifest* message);
void ToWire(const model::Chunk& chunk, v1::ChunkManifest* message);

// Only what a struct cannot hold is refused, as INVALID_ARGUMENT; whether the
// numbers fit together is for model::ValidateObject to say.
absl::StatusOr<model::Object> FromWire(const v1::ObjectManifest& message);
// Appends the chunks of the message.
absl::Status AppendChunks(const v1::ObjectManifest& message,
                          model::Object* object);

}  // namespace qstore::wire
