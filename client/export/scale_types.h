// Scales in the type that a format wants them in; they come as F32.
#pragma once

#include "base/bytes.h"
#include "model/dtype.h"

namespace qstore::client {

// `scales`: positive F32, little-endian. `dtype`: F32, F16 or BF16; each scale
// is rounded to the nearest value, ties to even.
ByteVector ConvertScales(ByteView scales, Dtype dtype);

}  // namespace qstore::client
