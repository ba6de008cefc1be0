// Both engines behind one fixture. A TypeParam makes an engine and, if it can
// keep anything, opens it again.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "storage/engine.h"
#include "storage/memory/memory_engine.h"
#include "storage/rocksdb/rocksdb_engine.h"
#include "tests/storage/temporary_directory.h"

namespace qstore::storage {

// Hands all calls on to an engine that outlives it, so that an engine without
// files can be "opened again".
class BorrowedEngine : public Engine {
 public:
  explicit BorrowedEngine(Engine* engine) : engine_(*engine) {}

  absl::StatusOr<PinnedValue> Get(Family family,
                                  std::string_view key) override {
    return engine_.Get(family, key);
  }
  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    const Visitor& visit) override {
    return engine_.Scan(family, begin, end, visit);
  }
  absl::StatusOr<std::vector<KeyRange>> BulkKeyRanges(Family family) override {
    return engine_.BulkKeyRanges(family);
  }
  absl::StatusOr<std::string> LastKey(Family family) override {
    return engine_.LastKey(family);
  }
  absl::Status Commit(const WriteBatch& batch) override {
    return engine_.Commit(batch);
  }
  absl::StatusOr<std::unique_ptr<BulkWriter>> NewBulkWriter() override {
    return engine_.NewBulkWriter();
  }
  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    return engine_.DeleteRange(family, begin, end);
  }
  absl::Status Checkpoint(const std::filesystem::path& directory) override {
    return engine_.Checkpoint(directory);
  }
  EngineCounters Counters() const override { return engine_.Counters(); }
  uint64_t ClearedBytes() const override { return engine_.ClearedBytes(); }
  uint64_t DiskBytes() const override { return engine_.DiskBytes(); }

 protected:
  Engine& engine_;
};

class MemoryEngineMaker {
 public:
  // All engines of one maker hold the same records; at most one at a time.
  std::unique_ptr<Engine> Open() {
    return std::make_unique<BorrowedEngine>(engine_.get());
  }

 private:
  std::unique_ptr<Engine> engine_ = NewMemoryEngine();
};

class RocksDbEngineMaker {
 public:
  std::unique_ptr<Engine> Open() const {
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        OpenRocksDbEngine(path(), {});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  std::filesystem::path path() const { return directory_.path() / "db"; }

 private:
  TemporaryDirectory directory_;
};

// ThreadSanitizer does not see the atomics of Debian's RocksDB, which is not
// instrumented, and reports races inside it.
#ifdef __SANITIZE_THREAD__
using Makers = ::testing::Types<MemoryEngineMaker>;
#else
using Makers = ::testing::Types<MemoryEngineMaker, RocksDbEngineMaker>;
#endif

// Bytes that differ by seed and do not compress.
inline ByteVector PatternBytes(size_t size, uint64_t seed) {
  ByteVector bytes(size);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (uint8_t& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<uint8_t>(state >> 32);
  }
  return bytes;
}

}  // namespace qstore::storage
