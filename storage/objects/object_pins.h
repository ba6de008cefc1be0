// Objects that somebody holds: they stay while this lives.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "storage/store_state.h"

namespace qstore::storage {

class ObjectPins {
 public:
  // Under the mutex under which the objects were found.
  ObjectPins(StoreState* state, std::set<uint64_t> ids)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex)
      : state_(state), ids_(std::move(ids)) {
    for (const uint64_t id : ids_) state->objects.Pin(id);
  }
  ObjectPins(ObjectPins&& other) noexcept
      : state_(other.state_), ids_(std::exchange(other.ids_, {})) {}
  ObjectPins& operator=(ObjectPins&&) = delete;

  // Takes the mutex for a moment; what nobody needs any more is the
  // collector's.
  ~ObjectPins() {
    if (ids_.empty()) return;
    const absl::MutexLock lock(&state_->mutex);
    for (const uint64_t id : ids_) state_->objects.Unpin(id);
  }

  const std::set<uint64_t>& ids() const { return ids_; }

 private:
  StoreState* const state_;
  std::set<uint64_t> ids_;
};

}  // namespace qstore::storage
