#include "server/limits/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "model/object.h"
#include "server/upload/chunk_work.h"
#include "tests/storage/temporary_directory.h"

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMebibyte = 1u << 20;

bool NothingGiven(const char* /*flag*/) { return false; }

TEST(MemoryPlan, EveryLimitIsShared) {
  for (const uint64_t mebibytes :
       {448, 460, 512, 700, 1023, 1024, 2000, 4096, 100'000}) {
    SCOPED_TRACE(mebibytes);
    ServerOptions options;
    ShareMemory(mebibytes * kMebibyte, NothingGiven, &options);
    EXPECT_TRUE(CheckMemory(options).ok()) << CheckMemory(options);
    EXPECT_GE(options.threads, 1u);
    EXPECT_GE(options.calls.uploads, 1u);
    EXPECT_GE(options.ingest_memory_bytes,
              options.calls.uploads * kMaxChunkLeaseBytes);
    EXPECT_LE(options.ingest_memory_bytes, ServerOptions().ingest_memory_bytes);
    EXPECT_GE(options.calls.downloads, 16u);
    EXPECT_LE(options.calls.downloads, ServerOptions().calls.downloads);
  }
}

TEST(MemoryPlan, MuchMemoryIsCache) {
  ServerOptions options;
  ShareMemory(uint64_t{1} << 40, NothingGiven, &options);
  const ServerOptions defaults;
  EXPECT_EQ(options.threads, EncodeThreadCount(defaults));
  EXPECT_EQ(options.calls.uploads, defaults.calls.uploads);
  EXPECT_EQ(options.ingest_memory_bytes, defaults.ingest_memory_bytes);
  EXPECT_EQ(options.metadata_memory_bytes, defaults.metadata_memory_bytes);
  EXPECT_EQ(options.download_buffer_bytes, defaults.download_buffer_bytes);
  EXPECT_GT(options.block_cache_bytes, uint64_t{900} << 30);
  EXPECT_TRUE(CheckMemory(options).ok()) << CheckMemory(options);
  EXPECT_EQ(options.calls.downloads, defaults.calls.downloads);
  EXPECT_EQ(options.connection_memory_bytes, defaults.connection_memory_bytes);
  EXPECT_EQ(options.answer_memory_bytes, defaults.answer_memory_bytes);
}

TEST(MemoryPlan, TheCacheWithoutALimitIsAnEighthWithinBounds) {
  EXPECT_EQ(DefaultBlockCacheBytes(0), 64 * kMebibyte);
  EXPECT_EQ(DefaultBlockCacheBytes(2048 * kMebibyte), 256 * kMebibyte);
  EXPECT_EQ(DefaultBlockCacheBytes(uint64_t{1} << 40), 512 * kMebibyte);
  EXPECT_GT(MachineMemoryBytes(), 64 * kMebibyte);
}

// Every download sends a value at a time, however little memory there is; where
// that is less than all of them would take, fewer run at once.
TEST(MemoryPlan, DownloadsShareASmallLimit) {
  size_t before = 0;
  for (const uint64_t mebibytes : {448, 600, 800, 1200, 2400}) {
    SCOPED_TRACE(mebibytes);
    ServerOptions options;
    ShareMemory(mebibytes * kMebibyte, NothingGiven, &options);
    EXPECT_GE(options.calls.downloads, before);
    EXPECT_LE(options.calls.downloads * model::kMaxValueBytes,
              std::max(16 * kMebibyte, mebibytes * kMebibyte / 8));
    before = options.calls.downloads;
    uint64_t planned_bytes = 0;
    for (const MemoryPart& part : PlanMemory(options)) {
      if (part.what.find("--max-downloads") == std::string::npos) continue;
      planned_bytes += part.bytes;
    }
    EXPECT_EQ(planned_bytes, options.calls.downloads * model::kMaxValueBytes);
  }
  EXPECT_EQ(before, ServerOptions().calls.downloads);
  ServerOptions small;
  ShareMemory(448 * kMebibyte, NothingGiven, &small);
  EXPECT_LT(small.calls.downloads, ServerOptions().calls.downloads);
  // What is given stays, and is counted.
  ServerOptions given;
  given.calls.downloads = 200;
  ShareMemory(
      448 * kMebibyte,
      [](const char* flag) { return std::string(flag) == "--max-downloads"; },
      &given);
  EXPECT_EQ(given.calls.downloads, 200u);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMemory(given)));
}

TEST(MemoryPlan, TheRestIsSharedBesideWhatIsGiven) {
  ServerOptions options;
  options.calls.downloads = 256;
  options.block_cache_bytes = 2 * kMebibyte;
  ShareMemory(
      768 * kMebibyte,
      [](const char* flag) { return std::string(flag) == "--block-cache"; },
      &options);
  EXPECT_EQ(options.block_cache_bytes, 2 * kMebibyte);
  EXPECT_TRUE(CheckMemory(options).ok()) << CheckMemory(options);
}

TEST(MemoryPlan, WhatDoesNotFitIsASentence) {
  ServerOptions options;
  ShareMemory(512 * kMebibyte, NothingGiven, &options);
  options.download_buffer_bytes = 400 * kMebibyte;
  const absl::Status status = CheckMemory(options);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--memory-limit is 512 MiB, but"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("400 for values that downloads pin "
                        "(--download-buffer)"));
  options.memory_limit_bytes = 0;
  EXPECT_TRUE(CheckMemory(options).ok());
}

class CgroupTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const auto full = directory_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  std::optional<uint64_t> Limit() {
    return CgroupMemoryLimit(directory_.path() / "self", directory_.path());
  }
  storage::TemporaryDirectory directory_;
};

TEST_F(CgroupTest, LowestOfOwnAndThoseAbove) {
  Write("self", "0::/pods/one\n");
  EXPECT_EQ(Limit(), std::nullopt);
  Write("pods/one/memory.max", "max\n");
  EXPECT_EQ(Limit(), std::nullopt);
  Write("pods/memory.max", "3000\n");
  EXPECT_EQ(Limit(), 3000u);
  Write("pods/one/memory.max", "2000\n");
  EXPECT_EQ(Limit(), 2000u);
  Write("memory.max", "1000\n");
  EXPECT_EQ(Limit(), 1000u);
}

TEST_F(CgroupTest, VersionOneHasNone) {
  Write("self", "4:memory:/a\n1:name=systemd:/a\n");
  Write("memory.max", "1000\n");
  EXPECT_EQ(Limit(), std::nullopt);
  EXPECT_EQ(CgroupMemoryLimit("/nonexistent", "/nonexistent"), std::nullopt);
}

}  // namespace
}  // namespace qstore::server
