#include "server/byte_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

constexpr ByteSizeRange kAnySize{
    .least_bytes = 1, .most_bytes = std::numeric_limits<uint64_t>::max() - 1};

TEST(ByteSize, UnitsOfBothKinds) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"1", 1},
      {"1048576", 1u << 20},
      {"3KiB", 3u << 10},
      {"384MiB", 384u << 20},
      {"2GiB", uint64_t{2} << 30},
      {"2 GiB", uint64_t{2} << 30},
      {"2gib", uint64_t{2} << 30},
      {"2Gi", uint64_t{2} << 30},
      {"1TiB", uint64_t{1} << 40},
      {"5kB", 5000},
      {"7MB", 7'000'000},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = ParseByteSize(text, kAnySize);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ByteSize, WhatIsNoSizeIsASentence) {
  for (const char* text :
       {"", "many", "MiB", "-1", "-1MiB", "+1", "1.5GiB", "1XiB", "1 2", "0x",
        "99999999TiB", "18446744073709551615", "18446744073709551616", "0"}) {
    const auto parsed = ParseByteSize(text, kAnySize);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("write a"))
        << text;
  }
}

TEST(ByteSize, RangesAreToldInTheSameSpelling) {
  constexpr ByteSizeRange kRange{.least_bytes = 1u << 20,
                                 .most_bytes = uint64_t{1} << 40,
                                 .allow_zero = true};
  EXPECT_EQ(*ParseByteSize("0", kRange), 0u);
  EXPECT_EQ(*ParseByteSize("1MiB", kRange), 1u << 20);
  EXPECT_EQ(*ParseByteSize("1TiB", kRange), uint64_t{1} << 40);
  EXPECT_FALSE(ParseByteSize("1048575", kRange).ok());
  EXPECT_FALSE(ParseByteSize("2TiB", kRange).ok());
  EXPECT_EQ(std::string(ParseByteSize("400", kRange).status().message()),
            "\"400\" is 400 bytes, but 1MiB to 1TiB, or 0, are allowed: write "
            "a unit, as in 64MiB or 2GiB");
}

TEST(ByteSize, TextIsReadBackAsItWas) {
  EXPECT_EQ(ByteSizeText(0), "0");
  EXPECT_EQ(ByteSizeText(1023), "1023");
  EXPECT_EQ(ByteSizeText(384u << 20), "384MiB");
  EXPECT_EQ(ByteSizeText(1025u << 20), "1025MiB");
  EXPECT_EQ(ByteSizeText(uint64_t{3} << 30), "3GiB");
  for (const uint64_t bytes :
       {uint64_t{1}, uint64_t{4097}, uint64_t{1} << 20, uint64_t{48} << 40,
        uint64_t{1} << 62, (uint64_t{1} << 62) + 1}) {
    EXPECT_EQ(*ParseByteSize(ByteSizeText(bytes), kAnySize), bytes);
  }
}

}  // namespace
}  // namespace qstore::server
