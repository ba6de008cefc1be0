// Both stores in memory, for tests.
#pragma once

#include "storage/engine.h"

namespace qstore::storage {

// Empty stores, which end with the last copy of the engine.
Engine NewMemoryEngine();

}  // namespace qstore::storage
