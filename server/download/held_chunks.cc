#include "server/download/held_chunks.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace qstore::server {

absl::StatusOr<HeldChunks> HeldChunks::FromWire(
    const v1::DownloadRequest& request) {
  size_t entries = static_cast<size_t>(request.held_objects_size()) +
                   static_cast<size_t>(request.held_chunks_size());
  for (const v1::HeldChunks& chunks : request.held_chunks()) {
    entries += static_cast<size_t>(chunks.chunk_indices_size());
  }
  if (entries > kMaxHeldEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the client lists ", entries, " ranges and chunks that it has, but at ",
        "most ", kMaxHeldEntries, " are allowed"));
  }
  HeldChunks held;
  for (const v1::ObjectRange& range : request.held_objects()) {
    uint64_t& end = held.end_of_range_[range.first()];
    end = std::max(end, range.end());
  }
  for (const v1::HeldChunks& chunks : request.held_chunks()) {
    held.chunks_[chunks.object_index()].insert(chunks.chunk_indices().begin(),
                                               chunks.chunk_indices().end());
  }
  return held;
}

bool HeldChunks::Has(uint64_t object_index, uint32_t chunk_index) const {
  const auto range = end_of_range_.upper_bound(object_index);
  if (range != end_of_range_.begin() &&
      object_index < std::prev(range)->second) {
    return true;
  }
  const auto object = chunks_.find(object_index);
  return object != chunks_.end() && object->second.contains(chunk_index);
}

}  // namespace qstore::server
