// A layer that no release has, to show that one more is one file and one line.
// It stands alone, gives the original, and stores it backwards.
#pragma once

#include "codec/layers.h"

namespace qstore::codec {

// It suits tensors of 8-byte elements. Add it with AddLayerForTest.
extern const Layer kToyLayer;

}  // namespace qstore::codec
