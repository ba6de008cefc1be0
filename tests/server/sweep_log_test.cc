#include "server/sweep_log.h"

#include <gtest/gtest.h>

namespace qstore::server {
namespace {

TEST(SweepLogTest, NothingToSweep) {
  storage::SweepReport report;
  EXPECT_EQ(DescribeSweep(report), "nothing to sweep");
  // What came back otherwise, as through RocksDB's own files, is no leftover.
  report.reclaimed_bytes = 100;
  EXPECT_EQ(DescribeSweep(report), "nothing to sweep");
}

TEST(SweepLogTest, EachKindOfLeftoverIsTold) {
  const std::string text = DescribeSweep({.object_count = 2,
                                          .upload_count = 1,
                                          .data_range_count = 3,
                                          .unfinished_bytes = 4'000'000,
                                          .reclaimed_bytes = 5'000'000,
                                          .problem = absl::OkStatus()});
  EXPECT_EQ(text,
            "swept what an interrupted process left: 2 objects that nobody "
            "names, 3 runs of data that no object names, 4.00 MB of "
            "unfinished files, 1 uploads that nobody went on with; 5.00 MB "
            "came back");
}

}  // namespace
}  // namespace qstore::server
