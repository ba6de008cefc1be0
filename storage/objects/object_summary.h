// What an upload keeps in memory of each object it uses: enough to check and to
// account for a revision without reading the objects' records again.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "model/layer_bytes.h"
#include "model/object.h"

namespace qstore::storage {

struct ObjectSummary {
  uint64_t object_id = 0;
  Sha256Digest content_hash = {};
  uint64_t raw_bytes = 0;
  // Size in a copy of the model of the lowest precision that the object has:
  // for INT8 one byte a weight and four a scale.
  uint64_t low_precision_bytes = 0;
  // Values and their keys; `other` includes the object's own records.
  model::LayerBytes stored;
};

// `object` is valid (model::ValidateObject).
ObjectSummary Summarize(const model::Object& object);

}  // namespace qstore::storage
