#include "base/text/printable.h"

#include <gtest/gtest.h>

#include "base/text/quote.h"

namespace qstore {
namespace {

// What a hostile name may be made of, with how it is shown.
struct Case {
  std::string text;
  std::string shown;
};

const Case kCases[] = {
    {"layer.0.weight", "layer.0.weight"},
    {"", ""},
    {"größe 模型 😀", "größe 模型 😀"},
    {"a\\b \"c\"", "a\\b \"c\""},
    {std::string("\0", 1), "\\x00"},
    {"\x1b]0;PWNED\x07", "\\x1b]0;PWNED\\x07"},
    {"a\nb\rc\td\x7f", "a\\nb\\rc\\td\\x7f"},
    {"\u009b31m", "\\u009b31m"},          // an 8-bit CSI
    {"\u202egnp.exe", "\\u202egnp.exe"},  // right to left
    {"\u2066x\u2069", "\\u2066x\\u2069"},
    {"a\u200bb\u00adc\ufeff", "a\\u200bb\\u00adc\\ufeff"},
    {"\u2028\u2029", "\\u2028\\u2029"},
    {"\U000e0041", "\\U000e0041"},  // a tag character
    {"gr\xf6\xdf", "gr\\xf6\\xdf"},
    {"\xc2", "\\xc2"},
    {"\xe2\x80", "\\xe2\\x80"},
};

TEST(PrintableTest, EscapesWhatWouldBeObeyed) {
  for (const Case& one : kCases) EXPECT_EQ(Printable(one.text), one.shown);
}

TEST(PrintableTest, OnceIsEnough) {
  for (const Case& one : kCases) EXPECT_EQ(Printable(one.shown), one.shown);
}

TEST(PrintableTest, QuotedEscapesTheSame) {
  for (const Case& one : kCases) {
    if (one.text.find_first_of("\"\\") != std::string::npos) continue;
    EXPECT_EQ(Quoted(one.text), "\"" + one.shown + "\"");
  }
}

TEST(PrintableTest, LinesKeepTheirEnds) {
  EXPECT_EQ(PrintableLines("a\x1b\nb\u202e\n"), "a\\x1b\nb\\u202e\n");
}

TEST(PrintableTest, EveryControlCharacterIsCaught) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    const bool bidirectional = c == 0x61c || c == 0x200e || c == 0x200f ||
                               (c >= 0x202a && c <= 0x202e) ||
                               (c >= 0x2066 && c <= 0x2069);
    if (control || bidirectional) {
      EXPECT_TRUE(IsUnprintable(c)) << c;
    }
  }
  for (const uint32_t c : {0x20u, 0x7eu, 0xa0u, 0xacu, 0xaeu, 0xe4u, 0x4e00u,
                           0x2010u, 0xffffu, 0x1f600u, 0x10ffffu}) {
    EXPECT_FALSE(IsUnprintable(c)) << c;
  }
}

TEST(PrintableTest, JsonSaysWhatItSaid) {
  EXPECT_EQ(PrintableJson("{\n  \"a\u202e\": \"\u009b\\n\U000e0041\"\n}"),
            "{\n  \"a\\u202e\": \"\\u009b\\n\\udb40\\udc41\"\n}");
}

}  // namespace
}  // namespace qstore
