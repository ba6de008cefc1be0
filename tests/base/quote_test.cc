#include "base/text/quote.h"

#include <gtest/gtest.h>

#include "base/text/utf8.h"

namespace qstore {
namespace {

TEST(QuotedTest, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Quoted("layer.0.weight"), "\"layer.0.weight\"");
  EXPECT_EQ(Quoted(""), "\"\"");
  EXPECT_EQ(Quoted("a\"b\\c\n\x1b[31m"), "\"a\\\"b\\\\c\\n\\x1b[31m\"");
  EXPECT_EQ(Quoted("größe"), "\"größe\"");
}

TEST(QuotedTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Quoted("gr\xF6\xDF-"), "\"gr\\xf6\\xdf-\"");
}

TEST(QuotedTest, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(Quoted(std::string(120, 'a')), "\"" + std::string(120, 'a') + "\"");
  EXPECT_EQ(Quoted(std::string(121, 'a')),
            "\"" + std::string(120, 'a') + "...\"");
  // A character of four bytes across the cut, at each of its positions.
  for (size_t before = 117; before < 121; ++before) {
    const std::string quoted =
        Quoted(std::string(before, 'a') + "😀" + std::string(50, 'b'));
    EXPECT_TRUE(IsValidUtf8(quoted)) << quoted;
    EXPECT_LE(quoted.size(), 125u);
    EXPECT_EQ(quoted.find("\\x"), std::string::npos) << quoted;
  }
}

TEST(QuotedTest, BoundsItsOutputWhateverTheBytes) {
  EXPECT_LE(Quoted(std::string(1 << 20, '\xff')).size(), 4u * 120 + 5);
}

}  // namespace
}  // namespace qstore
