#include "base/text/byte_format.h"

#include <gtest/gtest.h>

#include <limits>

namespace qstore {
namespace {

TEST(FormatBytesTest, KeepsThreeSignificantDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.00 kB");
  EXPECT_EQ(FormatBytes(9'994), "9.99 kB");
  EXPECT_EQ(FormatBytes(9'995), "10.0 kB");
  EXPECT_EQ(FormatBytes(99'950), "100 kB");
  EXPECT_EQ(FormatBytes(999'499), "999 kB");
  EXPECT_EQ(FormatBytes(999'500), "1.00 MB");
  EXPECT_EQ(FormatBytes(1'500'000'000), "1.50 GB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<uint64_t>::max()), "18.4 EB");
}

TEST(FormatPercentTest, HasOneDigitAfterThePoint) {
  EXPECT_EQ(FormatPercent(446, 1000), "44.6 %");
  EXPECT_EQ(FormatPercent(0, 7), "0.0 %");
  EXPECT_EQ(FormatPercent(7, 7), "100.0 %");
  EXPECT_EQ(FormatPercent(3, 2), "150.0 %");
  EXPECT_EQ(FormatPercent(1, 0), "-");
}

}  // namespace
}  // namespace qstore
