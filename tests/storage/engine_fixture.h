// Every engine behind one fixture. A TypeParam makes an engine, and opens it
// again.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "storage/engine.h"
#include "storage/memory/engine.h"
#include "storage/rocksdb/engine.h"
#include "tests/storage/temporary_directory.h"

namespace qstore::storage {

class MemoryEngineMaker {
 public:
  // All engines of one maker are the same stores.
  Engine Open() { return engine_; }

 private:
  const Engine engine_ = NewMemoryEngine();
};

class RocksDbEngineMaker {
 public:
  // The one before must be gone, and all copies of it. Stores are null after a
  // failure.
  Engine Open() const {
    absl::StatusOr<Engine> engine = OpenRocksDbEngine(path(), {});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : Engine{};
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
