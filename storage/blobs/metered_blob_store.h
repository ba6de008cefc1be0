// Counts what is read from a blob store.
#pragma once

#include <memory>

#include "storage/blobs/blob_store.h"
#include "storage/read_meter.h"

namespace qstore::storage {

// Counts values that `target` gives, not those that it does not have.
std::shared_ptr<BlobStore> NewMeteredBlobStore(
    std::shared_ptr<BlobStore> target, std::shared_ptr<ReadMeter> meter);

}  // namespace qstore::storage
