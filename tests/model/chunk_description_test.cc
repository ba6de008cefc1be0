#include "model/chunk_description.h"

#include "gtest/gtest.h"

namespace qstore::model {
namespace {

TEST(ChunkDescriptionTest, LayoutsFollowDtypes) {
  EXPECT_EQ(PlainLayoutFor(Dtype::kBool), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kI8), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF8E4M3), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF8E8M0), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF4), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF6E2M3), codec::PlainLayout::kBytes);
  EXPECT_EQ(PlainLayoutFor(Dtype::kI16), codec::PlainLayout::kPlanes2);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF16), codec::PlainLayout::kFloat16);
  EXPECT_EQ(PlainLayoutFor(Dtype::kBF16), codec::PlainLayout::kBFloat16);
  EXPECT_EQ(PlainLayoutFor(Dtype::kU32), codec::PlainLayout::kPlanes4);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF32), codec::PlainLayout::kFloat32);
  EXPECT_EQ(PlainLayoutFor(Dtype::kF64), codec::PlainLayout::kPlanes8);
  EXPECT_EQ(PlainLayoutFor(Dtype::kI64), codec::PlainLayout::kPlanes8);
  EXPECT_EQ(PlainLayoutFor(Dtype::kC64), codec::PlainLayout::kPlanes8);
}

}  // namespace
}  // namespace qstore::model
