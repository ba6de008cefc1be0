#include "server/download/recent_values.h"

#include <utility>

namespace qstore::server {

storage::PinnedValue RecentValues::Find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->value;
}

void RecentValues::Add(const Key& key, storage::PinnedValue value) {
  const uint64_t size_bytes = value.bytes().size();
  if (size_bytes > capacity_bytes_) return;
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = by_key_.try_emplace(key);
  if (!is_new) return;
  entries_.push_front({key, std::move(value)});
  entry->second = entries_.begin();
  bytes_ += size_bytes;
  while (bytes_ > capacity_bytes_) {
    const Entry& oldest = entries_.back();
    bytes_ -= oldest.value.bytes().size();
    by_key_.erase(oldest.key);
    entries_.pop_back();
  }
}

uint64_t RecentValues::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace qstore::server
