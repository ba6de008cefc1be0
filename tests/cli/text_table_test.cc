#include "cli/reports/text_table.h"

#include "gtest/gtest.h"

namespace qstore::cli {
namespace {

TEST(TextTableTest, LinesUpColumns) {
  TextTable table;
  table.AddColumn("name", TextTable::Align::kLeft);
  table.AddColumn("n", TextTable::Align::kRight);
  table.AddColumn("note", TextTable::Align::kLeft);
  table.AddRow({"a", "100", ""});
  table.AddRow({"héllo", "2", "x"});
  EXPECT_EQ(table.Format(),
            "name     n  note\n"
            "a      100\n"
            "héllo    2  x\n");
}

TEST(TextTableTest, LetsNoControlCharactersThrough) {
  TextTable table;
  table.AddColumn("n", TextTable::Align::kLeft);
  table.AddRow({"x\ny\x1b[2J\u202e"});
  EXPECT_EQ(table.Format(), "n\nx\\ny\\x1b[2J\\u202e\n");
}

TEST(TextTableTest, ShortensInTheMiddle) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefghij", 7), "ab...ij");
  // Never half of a code point.
  EXPECT_EQ(Shorten("ééééé", 7), "é...é");
  EXPECT_EQ(Shorten("ééééé", 8), "é...é");
}

}  // namespace
}  // namespace qstore::cli
