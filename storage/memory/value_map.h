// Values by key, as the stores in memory keep them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace qstore::storage {

// Shared with those who have pinned it.
using MemoryValue = std::shared_ptr<const ByteVector>;
using MemoryValues = std::map<std::string, MemoryValue, std::less<>>;

inline MemoryValue CopyToMemory(ByteView bytes) {
  return std::make_shared<const ByteVector>(bytes.begin(), bytes.end());
}

}  // namespace qstore::storage
