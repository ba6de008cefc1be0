// The ordered key-value engine under the store. RocksDB is the default
// (only files named rocksdb_* include rocksdb/); an in-memory engine serves
// tests; both pass tests/storage/engine_test.cc.
//
// Values are large, immutable and already compressed. Bulk data enters by
// BulkWriter, small records by Commit; a reader sees either all or nothing of
// each. All methods are thread-safe unless they say otherwise.
//
// Errors: NOT_FOUND (key absent), DATA_LOSS (a checksum did not match),
// RESOURCE_EXHAUSTED (disk full), UNAVAILABLE (engine stopped or busy),
// INTERNAL (the rest). Messages name family and key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace qstore::storage {

// Key spaces that are read and counted apart (RocksDB column families).
enum class Family : uint8_t {
  kManifest = 0,
  kInt8 = 1,
  kResidual = 2,
  kPlain = 3
};
inline constexpr int kFamilyCount = 4;
inline constexpr std::array<Family, kFamilyCount> kAllFamilies = {
    Family::kManifest, Family::kInt8, Family::kResidual, Family::kPlain};
// Everything but the records.
inline constexpr std::array<Family, 3> kDataFamilies = {
    Family::kInt8, Family::kResidual, Family::kPlain};

constexpr size_t FamilyIndex(Family family) {
  return static_cast<size_t>(family);
}
std::string_view FamilyName(Family family);

// "int8: object 7, chunk 0, subgroup 0", for messages.
std::string DescribeKey(Family family, std::string_view key);

// A value that stays readable, without a copy, while this object or a copy of
// it lives. It must not outlive the engine.
class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(ByteView bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  ByteView bytes() const { return bytes_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  ByteView bytes_;
  std::shared_ptr<const void> owner_;
};

// Small writes that take effect together or not at all.
class WriteBatch {
 public:
  struct Operation {
    enum class Kind : uint8_t { kPut, kDelete } kind;
    Family family;
    std::string key;
    std::string value;
  };

  void Put(Family family, std::string key, std::string value) {
    operations_.push_back(
        {Operation::Kind::kPut, family, std::move(key), std::move(value)});
  }
  void Delete(Family family, std::string key) {
    operations_.push_back(
        {Operation::Kind::kDelete, family, std::move(key), {}});
  }
  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// What a batch comes to: for each key its last operation, ascending by family
// and key. The pointers are into `batch`.
std::vector<const WriteBatch::Operation*> LastOperations(
    const WriteBatch& batch);

// Writes many values in ascending key order per family, invisible until Ingest.
// Destroyed without Ingest, it leaves nothing behind. One thread at a time.
class BulkWriter {
 public:
  virtual ~BulkWriter() = default;
  // Keys of one family must ascend; families may interleave.
  virtual absl::Status Put(Family family, std::string_view key,
                           ByteView value) = 0;
  // Makes all values durable and visible at once. Call at most once; the
  // writer is spent afterwards, also after an error.
  virtual absl::Status Ingest() = 0;
  // Bytes put so far, keys included.
  virtual uint64_t size_bytes() const = 0;
};

// What has been read since the engine was opened.
struct EngineCounters {
  // Keys found by Get, by family, counted by this engine.
  uint64_t keys_read[kFamilyCount] = {};
  // The engine's own figures, for checking the above against: keys read over
  // all families (RocksDB ticker NUMBER_KEYS_READ) and reads of table files by
  // family (RocksDB's per-column-family file-read histogram). Zero for engines
  // that have none.
  uint64_t native_keys_read = 0;
  uint64_t native_file_reads[kFamilyCount] = {};
};

// Both ends belong to the range.
struct KeyRange {
  std::string first;
  std::string last;
};

class Engine {
 public:
  // Return false to stop a scan early.
  using Visitor = std::function<bool(std::string_view key, ByteView value)>;

  virtual ~Engine() = default;

  virtual absl::StatusOr<PinnedValue> Get(Family family,
                                          std::string_view key) = 0;

  // Visits keys in [begin, end) in ascending order. The views are valid during
  // the call to `visit` alone. Does not count as keys read.
  virtual absl::Status Scan(Family family, std::string_view begin,
                            std::string_view end, const Visitor& visit) = 0;

  // Ranges that together hold every key of the family that BulkWriters brought
  // in and that is still there; they may hold other keys and may overlap. Found
  // without reading values.
  virtual absl::StatusOr<std::vector<KeyRange>> BulkKeyRanges(
      Family family) = 0;

  // A key that none of the family exceeds: the greatest, or one that was
  // deleted. NOT_FOUND when there is none. Found without reading values, so
  // that damage to them cannot keep a store from opening.
  virtual absl::StatusOr<std::string> LastKey(Family family) = 0;

  // Atomic and synced: once it returns OK the batch survives power loss.
  virtual absl::Status Commit(const WriteBatch& batch) = 0;

  virtual absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() = 0;

  // Deletes [begin, end) and gives the space back to the file system before it
  // returns; what a read in progress holds follows with the next deletion.
  // Readers and writers of other ranges go on meanwhile. DATA_LOSS when what
  // must be rewritten for it is damaged: the range is still there then.
  virtual absl::Status DeleteRange(Family family, std::string_view begin,
                                   std::string_view end) = 0;

  // Copies everything, as it is at one moment, into `directory`, which must not
  // exist while its parent must. Durable when it returns, but for the entry in
  // the parent. Files are shared as hard links where the file system can do so.
  // Opened as an engine, the copy is one of its own. Everything goes on
  // meanwhile, but space that is given back comes back only afterwards.
  // After an error nothing of the copy is left. UNIMPLEMENTED for engines that
  // keep no files.
  virtual absl::Status Checkpoint(const std::filesystem::path& directory);

  virtual EngineCounters Counters() const = 0;

  // Bytes of files that an earlier process had begun to write and that were
  // deleted when this engine was opened.
  virtual uint64_t ClearedBytes() const { return 0; }

  // Bytes that the engine's files take.
  virtual uint64_t DiskBytes() const = 0;
};

}  // namespace qstore::storage
