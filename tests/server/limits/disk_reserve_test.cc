#include "server/limits/disk_reserve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/storage/temporary_directory.h"

namespace qstore::server {
namespace {

using storage::DiskSpace;
using ::testing::HasSubstr;

class FixedSpace final : public DiskSpace {
 public:
  explicit FixedSpace(absl::StatusOr<Reading> reading)
      : reading_(std::move(reading)) {}
  absl::StatusOr<Reading> Read() const override { return reading_; }

 private:
  absl::StatusOr<Reading> reading_;
};

DiskReserve Reserve(uint64_t total_bytes, uint64_t free_bytes,
                    std::optional<uint64_t> reserve_bytes) {
  return {
      std::make_unique<FixedSpace>(DiskSpace::Reading{total_bytes, free_bytes}),
      reserve_bytes};
}

TEST(DiskReserve, RefusesBelowTheReserve) {
  EXPECT_TRUE(Reserve(1000, 100, 100).Check(0).ok());
  const absl::Status status = Reserve(1000, 99, 100).Check(0);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("disk has 99 B free, and uploads leave 100 B"));
  EXPECT_TRUE(Reserve(1000, 0, 0).Check(0).ok());
  EXPECT_TRUE(Reserve(1000, 150, 100).Check(50).ok());
  EXPECT_FALSE(Reserve(1000, 150, 100).Check(51).ok());
}

// What was deleted a moment ago is on its way back.
TEST(DiskReserve, WaitsForTheCollectorBeforeItRefuses) {
  class FreedSpace final : public DiskSpace {
   public:
    explicit FreedSpace(const uint64_t* free_bytes) : free_bytes_(free_bytes) {}
    absl::StatusOr<Reading> Read() const override {
      return Reading{1000, *free_bytes_};
    }

   private:
    const uint64_t* const free_bytes_;
  };
  uint64_t free_bytes = 150;
  uint64_t freed_bytes = 100;
  int collections = 0;
  const DiskReserve reserve(std::make_unique<FreedSpace>(&free_bytes), 100,
                            [&](absl::Duration timeout) {
                              EXPECT_EQ(timeout, DiskReserve::kMaxCollection);
                              ++collections;
                              free_bytes += std::exchange(freed_bytes, 0);
                            });
  EXPECT_TRUE(reserve.Check(50).ok());
  EXPECT_EQ(collections, 0);
  EXPECT_TRUE(reserve.Check(100).ok());
  EXPECT_EQ(collections, 1);
  EXPECT_THAT(std::string(reserve.Check(151).message()),
              HasSubstr("disk has 250 B free"));
  EXPECT_EQ(collections, 2);
}

TEST(DiskReserve, DefaultIsATwentiethAndBounded) {
  EXPECT_TRUE(Reserve(1000, 50, {}).Check(0).ok());
  EXPECT_FALSE(Reserve(1000, 49, {}).Check(0).ok());
  const uint64_t huge = uint64_t{1} << 50;
  EXPECT_TRUE(Reserve(huge, 1u << 30, {}).Check(0).ok());
  EXPECT_FALSE(Reserve(huge, (1u << 30) - 1, {}).Check(0).ok());
}

TEST(DiskReserve, WithoutAReadingNothingIsRefused) {
  EXPECT_TRUE(DiskReserve(nullptr, 1000).Check(0).ok());
  EXPECT_TRUE(
      DiskReserve(
          std::make_unique<FixedSpace>(absl::InternalError("no answer")), 1000)
          .Check(0)
          .ok());
}

TEST(DiskSpace, AsksTheFileSystem) {
  const storage::TemporaryDirectory directory;
  const auto reading = storage::NewDiskSpace(directory.path())->Read();
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_GT(reading->total_bytes, 0u);
  EXPECT_LE(reading->free_bytes, reading->total_bytes);
  EXPECT_FALSE(storage::NewDiskSpace(directory.path() / "none")->Read().ok());
}

}  // namespace
}  // namespace qstore::server
