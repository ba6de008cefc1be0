// Reads one stored chunk back and checks it: what Verify and the scrub do with
// each, and an upload with what it has just encoded.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/layer_stack.h"
#include "model/object.h"
#include "model/read_plan.h"
#include "server/codec_set.h"
#include "storage/model_store.h"

namespace qstore::server {

// Reads and checks one value of the chunk at hand.
using ValueReader = std::function<absl::StatusOr<storage::PinnedValue>(
    const model::ValueAddress&)>;

// The values of the lowest `layer_count` layers one after another.
absl::StatusOr<ByteVector> ReadStoredBytes(const model::Chunk& chunk,
                                           uint32_t layer_count,
                                           const ValueReader& read);

// Decodes layers and compares with what was recorded; the original stays in
// codecs.raw. DATA_LOSS says what differs.
absl::Status DecodeAndCheck(const model::Object& object,
                            const model::Chunk& chunk,
                            std::span<const codec::StoredLayer> layers,
                            CodecSet& codecs);

// Whether an error of the store or of the functions above tells of damage;
// every other one means that the store cannot be read.
bool IsDamage(absl::StatusCode code);

}  // namespace qstore::server
