// The codec's view of tensors and their chunks.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "codec/layer.h"
#include "model/dtype.h"
#include "model/object.h"

namespace qstore::model {

// The layout that suits tensors of `dtype`.
codec::PlainLayout PlainLayoutFor(Dtype dtype);

// Of a dtype that IsQuantizable.
codec::FloatFormat FloatFormatOf(Dtype dtype);

// What the codec needs to know of a chunk. INVALID_ARGUMENT when object and
// chunk contradict each other.
absl::StatusOr<codec::ChunkDescription> DescribeChunk(const Object& object,
                                                      const Chunk& chunk);

}  // namespace qstore::model
