// Where bulk data is kept: large, immutable values that are already compressed,
// under ordered keys in families (storage/family.h). RocksDB is the default
// (storage/rocksdb/), memory serves tests (storage/memory/), and decorators go
// around either: storage/blobs/metered_blob_store.h, cached_blob_store.h.
//
// A key is written once and, when it has been deleted, never again: so what was
// read under a key is right as long as there is anything under it.
//
// Thread-safe, but for BulkWriter. Errors: NOT_FOUND (key absent), DATA_LOSS (a
// checksum did not match), RESOURCE_EXHAUSTED (disk full), UNAVAILABLE (stopped
// or busy), INTERNAL (the rest). Messages name family and key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "storage/family.h"
#include "storage/pinned_value.h"

namespace qstore::storage {

struct BlobKey {
  Family family = {};
  std::string key;
};

// Both ends belong to the range.
struct KeyRange {
  std::string first;
  std::string last;
};

// Writes many values in ascending key order per family, invisible until Ingest.
// Destroyed without Ingest, it leaves nothing behind. One thread at a time.
class BulkWriter {
 public:
  virtual ~BulkWriter() = default;
  // Keys of one family must ascend; families may interleave.
  virtual absl::Status Put(Family family, std::string_view key,
                           ByteView value) = 0;
  // Makes all values durable and visible at once: when it returns OK they
  // survive power loss. Call at most once; the writer is spent afterwards, also
  // after an error, after which the values may be there nevertheless.
  virtual absl::Status Ingest() = 0;
  // Bytes put so far, keys included.
  virtual uint64_t size_bytes() const = 0;
};

class BlobStore {
 public:
  // `index` is the key's place in the batch.
  using ReadDone =
      std::function<void(size_t index, absl::StatusOr<PinnedValue> value)>;
  // Return false to stop.
  using KeyVisitor = std::function<bool(std::string_view key)>;

  virtual ~BlobStore() = default;

  // Reads the values of a batch. `done` is called once for each key, as soon as
  // its value is there: by any threads, also by the caller's before Read
  // returns, in any order, but for one key after the other. It must not block,
  // and may call Read. The store must outlive the last call.
  virtual void Read(std::vector<BlobKey> keys, ReadDone done) = 0;
  // Reads one value and waits for it. Must not be called from a ReadDone.
  absl::StatusOr<PinnedValue> Get(Family family, std::string_view key);

  virtual absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() = 0;

  // Deletes [begin, end) and gives the space back to the file system before it
  // returns; what a read in progress holds follows with the next deletion.
  // Readers and writers of other ranges go on meanwhile. DATA_LOSS when what
  // must be rewritten for it is damaged: the range is still there then.
  virtual absl::Status DeleteRange(Family family, std::string_view begin,
                                   std::string_view end) = 0;

  // Visits the keys in [begin, end) in ascending order.
  virtual absl::Status ListKeys(Family family, std::string_view begin,
                                std::string_view end,
                                const KeyVisitor& visit) = 0;

  // Ranges that together hold every key of the family; they may hold other keys
  // and may overlap. Found without reading values.
  virtual absl::StatusOr<std::vector<KeyRange>> KeyRanges(Family family) = 0;

  // A key that none of the family exceeds: the greatest, or one that was
  // deleted. NOT_FOUND when there is none. Found without reading values, so
  // that damage to them cannot keep a store from opening.
  virtual absl::StatusOr<std::string> LastKey(Family family) = 0;

  // Bytes that the store's files take, with those of records when they are kept
  // in the same place.
  virtual uint64_t DiskBytes() const = 0;

  // Bytes of files that an earlier process had begun to write and that were
  // deleted when this store was opened.
  virtual uint64_t ClearedBytes() const = 0;
};

}  // namespace qstore::storage
