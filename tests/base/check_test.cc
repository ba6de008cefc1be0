#include "base/check.h"

#include <gtest/gtest.h>

namespace qstore {
namespace {

bool CountAndReturn(bool value, int* count) {
  ++*count;
  return value;
}

#ifdef NDEBUG

TEST(CheckTest, IsNotEvaluatedInWhatIsShipped) {
  int count = 0;
  QSTORE_DCHECK(CountAndReturn(false, &count));
  EXPECT_EQ(count, 0);
}

#else

TEST(CheckTest, PassesWhatHolds) {
  int count = 0;
  QSTORE_DCHECK(CountAndReturn(true, &count));
  EXPECT_EQ(count, 1);
}

TEST(CheckDeathTest, NamesWhatDoesNotHoldAndAborts) {
  int count = 0;
  EXPECT_DEATH(QSTORE_DCHECK(CountAndReturn(false, &count) && 1 < 2),
               "check_test.cc:[0-9]+: the invariant "
               "CountAndReturn\\(false, &count\\) && 1 < 2 does not hold");
}

#endif

}  // namespace
}  // namespace qstore
