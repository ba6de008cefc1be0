#include "storage/memory/engine.h"

#include <memory>

#include "storage/memory/blob_store.h"
#include "storage/memory/record_store.h"

namespace qstore::storage {

Engine NewMemoryEngine() {
  return {.records = std::make_shared<MemoryRecordStore>(),
          .blobs = std::make_shared<MemoryBlobStore>(),
          .checkpoint = nullptr};
}

}  // namespace qstore::storage
