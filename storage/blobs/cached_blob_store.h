// Keeps values that were read lately.
#pragma once

#include <cstdint>
#include <memory>

#include "storage/blobs/blob_store.h"

namespace qstore::storage {

// Holds on to values of at most `capacity_bytes` together, the most recently
// read ones; a larger value is never kept. What is held stays pinned in
// `target`. Values that are deleted go from here too.
std::shared_ptr<BlobStore> NewCachedBlobStore(std::shared_ptr<BlobStore> target,
                                              uint64_t capacity_bytes);

}  // namespace qstore::storage
