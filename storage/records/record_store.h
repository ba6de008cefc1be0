// Where records are kept: small values under ordered keys, written in atomic,
// synced batches. RocksDB is the default (storage/rocksdb/), memory serves
// tests (storage/memory/), and decorators go around either.
//
// Thread-safe. Errors: NOT_FOUND (key absent), DATA_LOSS (a checksum did not
// match), RESOURCE_EXHAUSTED (disk full), UNAVAILABLE (stopped or busy),
// INTERNAL (the rest). Messages name the key.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "storage/pinned_value.h"
#include "storage/records/write_batch.h"

namespace qstore::storage {

class RecordStore {
 public:
  // Return false to stop a scan early.
  using Visitor = std::function<bool(std::string_view key, ByteView value)>;

  virtual ~RecordStore() = default;

  virtual absl::StatusOr<PinnedValue> Get(std::string_view key) = 0;

  // Visits keys in [begin, end) in ascending order. The views are valid during
  // the call to `visit` alone, which may call the store.
  virtual absl::Status Scan(std::string_view begin, std::string_view end,
                            const Visitor& visit) = 0;

  // Atomic and synced: once it returns OK the batch survives power loss. After
  // an error the batch may have been taken nevertheless, and may come to light
  // only when the store is opened again; a later batch that writes the same
  // keys settles it.
  virtual absl::Status Commit(const WriteBatch& batch) = 0;
};

// "manifest: key "t/org/m"", for messages.
std::string DescribeRecord(std::string_view key);

}  // namespace qstore::storage
