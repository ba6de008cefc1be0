// How many files and connections the process may have open, and what for.
#pragma once

#include <cstdint>

namespace qstore::server {

// Raises the soft limit to the hard one, which usually is many times more
// (1024 and 524288), but not past kMostDescriptors; returns what holds now.
inline constexpr uint64_t kMostDescriptors = uint64_t{1} << 20;
uint64_t RaiseDescriptorLimit();

// Those of the store, of `descriptors` altogether: tables that are open, ...
int MaxOpenTables(uint64_t descriptors);
// ... and what is left for connections. At least 1.
uint64_t MaxConnections(uint64_t descriptors);

}  // namespace qstore::server
