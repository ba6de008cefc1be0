// An engine in memory, for tests.
#pragma once

#include <memory>

#include "storage/engine.h"

namespace qstore::storage {

std::unique_ptr<Engine> NewMemoryEngine();

}  // namespace qstore::storage
