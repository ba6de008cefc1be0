#include "base/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace qstore {
namespace {

TEST(Utf8Test, TakesCodePointsAtTheEdgesOfEachLength) {
  const struct {
    std::string bytes;
    uint32_t code_point;
  } cases[] = {
      {std::string(1, '\0'), 0},
      {"\x7F", 0x7F},
      {"\xC2\x80", 0x80},
      {"\xDF\xBF", 0x7FF},
      {"\xE0\xA0\x80", 0x800},
      {"\xED\x9F\xBF", 0xD7FF},
      {"\xEE\x80\x80", 0xE000},
      {"\xEF\xBF\xBF", 0xFFFF},
      {"\xF0\x90\x80\x80", 0x10000},
      {"\xF4\x8F\xBF\xBF", 0x10FFFF},
  };
  for (const auto& c : cases) {
    const std::string followed = c.bytes + "x";
    std::string_view rest = followed;
    EXPECT_EQ(TakeCodePoint(&rest), c.code_point);
    EXPECT_EQ(rest, "x");
  }
}

TEST(Utf8Test, RefusesWhatRfc3629Forbids) {
  const std::string bad[] = {
      "\x80",              // continuation byte alone
      "\xBF",              // likewise
      "\xC0\x80",          // overlong NUL
      "\xC1\xBF",          // overlong
      "\xE0\x9F\xBF",      // overlong
      "\xF0\x8F\xBF\xBF",  // overlong
      "\xED\xA0\x80",      // surrogate
      "\xED\xBF\xBF",      // surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF8\x88\x80\x80\x80",
      "\xFF",
      "\xC2",          // cut
      "\xE2\x82",      // cut
      "\xF0\x9F\x98",  // cut
      "\xC2\x41",      // no continuation byte
      "\xE2\x28\xA1",
  };
  for (const std::string& text : bad) {
    std::string_view rest = text;
    EXPECT_EQ(TakeCodePoint(&rest), std::nullopt);
    EXPECT_EQ(rest, text);
    EXPECT_FALSE(IsValidUtf8(text));
    EXPECT_FALSE(IsValidUtf8("valid " + text));
  }
}

TEST(Utf8Test, AcceptsTextInSeveralScripts) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("weights/größe/重み/😀"));
}

}  // namespace
}  // namespace qstore
