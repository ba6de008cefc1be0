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
  EXPECT_EQ(ReservedPart(".qstore-later/x"), ".qstore-later");
}

// What was stored before a name was kept can still be had.
TEST(ReservedNamesTest, OnlyNamesInUseAreOwn) {
  EXPECT_EQ(OwnPart("a/.qstore-later/x"), "");
  EXPECT_EQ(OwnPart("a/.qstore-journal"), ".qstore-journal");
  EXPECT_EQ(OwnPart(".x.qstore-partial-1/y"), ".x.qstore-partial-1");
}

TEST(ReservedNamesTest, LeavesAllOthers) {
  for (const std::string_view path :
       {"", "/", "a//b", "config.json", "qstore-journal", "x.qstore-journal",
        "qstore-partial-1/x", ".qstore/partial-1", ".qstoreignore"}) {
    EXPECT_EQ(ReservedPart(path), "") << path;
  }
}

}  // namespace
}  // namespace qstore
