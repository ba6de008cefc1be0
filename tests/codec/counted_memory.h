// Counts what a test binary allocates; linking counted_memory.cc replaces its
// allocation functions.
//
// In ordinary builds these are malloc and its kin, so that the C libraries'
// memory counts too. A sanitizer brings a malloc of its own: there operator new
// is counted alone.
#pragma once

#include <cstdint>

namespace qstore::codec {

struct MemoryCount {
  uint64_t allocations = 0;  // since the start
  int64_t live_bytes = 0;
  int64_t peak_bytes = 0;  // largest live_bytes since ResetPeak
};

MemoryCount CountedMemory();
// Whether malloc is counted.
bool CountsAll();
void ResetPeak();

}  // namespace qstore::codec
