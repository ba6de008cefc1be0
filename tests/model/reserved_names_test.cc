#include "model/reserved_names.h"

#include <gtest/gtest.h>

namespace qstore {
namespace {

TEST(ReservedNamesTest, FindsThePart) {
  EXPECT_EQ(ReservedPart(".qstore-journal"), ".qstore-journal");
  EXPECT_EQ(ReservedPart("a/.qstore-journal"), ".qstore-journal");
  EXPECT_EQ(ReservedPart(".qstore-partial-1/evil.py"), ".qstore-partial-1");
  EXPECT_EQ(ReservedPart("a/.good.qstore-partial-7-00ff/b/c"),
            ".good.qstore-partial-7-00ff");
  EXPECT_EQ(ReservedPart("x.qstore-partial-"), "x.qstore-partial-");
}

TEST(ReservedNamesTest, LeavesAllOthers) {
  for (const std::string_view path :
       {"", "/", "a//b", "config.json", "qstore-journal", ".qstore-journal.txt",
        "x.qstore-journal", ".qstore-journal2/a", ".qstore-partial/x",
        "qstore-partial-1/x", ".qstore/partial-1"}) {
    EXPECT_EQ(ReservedPart(path), "") << path;
  }
}

}  // namespace
}  // namespace qstore
