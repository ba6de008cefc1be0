// What has been read, for metrics and for tests of what a reader touches.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "storage/family.h"

namespace qstore::storage {

// Thread-safe. A sum of a moment at which reads go on may lack some of them.
class ReadMeter {
 public:
  struct Sum {
    uint64_t keys = 0;
    uint64_t bytes = 0;
  };

  void CountValue(Family family, uint64_t size_bytes) {
    values_[FamilyIndex(family)].Add(size_bytes);
  }
  void CountRecord(uint64_t size_bytes) { records_.Add(size_bytes); }

  // Values that were found, by family.
  Sum values(Family family) const { return values_[FamilyIndex(family)].Get(); }
  // Records that were found by key; scans do not count.
  Sum records() const { return records_.Get(); }

 private:
  struct Counter {
    void Add(uint64_t size_bytes) {
      keys.fetch_add(1, std::memory_order_relaxed);
      bytes.fetch_add(size_bytes, std::memory_order_relaxed);
    }
    Sum Get() const {
      return {keys.load(std::memory_order_relaxed),
              bytes.load(std::memory_order_relaxed)};
    }
    std::atomic<uint64_t> keys = 0;
    std::atomic<uint64_t> bytes = 0;
  };

  std::array<Counter, kFamilyBound> values_;
  Counter records_;
};

}  // namespace qstore::storage
