#include "client/cancellation.h"

#include "gtest/gtest.h"

namespace qstore::client {
namespace {

TEST(CancellationTest, RunsWhatLivesAndNothingElse) {
  Cancellation cancellation;
  int first = 0;
  int second = 0;
  int gone = 0;
  const Cancellation::Scope one(&cancellation, [&] { ++first; });
  const Cancellation::Scope two(&cancellation, [&] { ++second; });
  {
    const Cancellation::Scope three(&cancellation, [&] { ++gone; });
  }
  EXPECT_FALSE(cancellation.cancelled());
  cancellation.Cancel();
  cancellation.Cancel();
  EXPECT_TRUE(cancellation.cancelled());
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(gone, 0);
}

TEST(CancellationTest, RunsAtOnceWhatComesLate) {
  Cancellation cancellation;
  cancellation.Cancel();
  int late = 0;
  const Cancellation::Scope scope(&cancellation, [&] { ++late; });
  EXPECT_EQ(late, 1);
}

}  // namespace
}  // namespace qstore::client
