// Stored values that downloads have sent copies of, the most recently used
// ones. A client that may be slow pins no value, and takes it in small parts:
// without this each of its messages would read and check the whole value again.
#pragma once

#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>

#include "storage/family.h"
#include "storage/pinned_value.h"

namespace qstore::server {

// Thread-safe.
class RecentValues {
 public:
  // Which blob: ids of objects are never given again, so a key always stands
  // for the same bytes.
  struct Key {
    storage::Family family = storage::Family::kInt8;
    uint64_t object_id = 0;
    uint32_t chunk_index = 0;
    uint32_t subgroup = 0;
    auto operator<=>(const Key&) const = default;
  };

  // Holds at most `capacity_bytes`.
  explicit RecentValues(uint64_t capacity_bytes)
      : capacity_bytes_(capacity_bytes) {}
  RecentValues(const RecentValues&) = delete;
  RecentValues& operator=(const RecentValues&) = delete;

  // Without an owner when it is not here.
  storage::PinnedValue Find(const Key& key);
  // `value` has been checked. Nothing happens when it is larger than everything
  // that may be held, or here already.
  void Add(const Key& key, storage::PinnedValue value);

  uint64_t bytes() const;

 private:
  struct Entry {
    Key key;
    storage::PinnedValue value;
  };

  const uint64_t capacity_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::list<Entry> entries_;  // the most recently used first
  std::map<Key, std::list<Entry>::iterator> by_key_;
  uint64_t bytes_ = 0;
};

}  // namespace qstore::server
