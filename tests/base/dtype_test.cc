#include "base/dtype.h"

#include <gtest/gtest.h>

#include <string>

namespace qstore {
namespace {

TEST(DtypeTest, NumbersNamesAndSizesAreTheFormats) {
  // These numbers are on disk: a change here is a change of the format.
  const struct {
    uint32_t number;
    Dtype dtype;
    std::string_view name;
    uint32_t bytes;
    bool quantizable;
  } expected[] = {
      {1, Dtype::kBool, "BOOL", 1, false},
      {2, Dtype::kU8, "U8", 1, false},
      {3, Dtype::kI8, "I8", 1, false},
      {4, Dtype::kF8E4M3, "F8_E4M3", 1, false},
      {5, Dtype::kF8E5M2, "F8_E5M2", 1, false},
      {6, Dtype::kI16, "I16", 2, false},
      {7, Dtype::kU16, "U16", 2, false},
      {8, Dtype::kF16, "F16", 2, true},
      {9, Dtype::kBF16, "BF16", 2, true},
      {10, Dtype::kI32, "I32", 4, false},
      {11, Dtype::kU32, "U32", 4, false},
      {12, Dtype::kF32, "F32", 4, true},
      {13, Dtype::kF64, "F64", 8, false},
      {14, Dtype::kI64, "I64", 8, false},
      {15, Dtype::kU64, "U64", 8, false},
  };
  for (const auto& e : expected) {
    SCOPED_TRACE(std::string(e.name));
    EXPECT_EQ(static_cast<uint32_t>(e.dtype), e.number);
    EXPECT_EQ(*DtypeFromNumber(e.number), e.dtype);
    EXPECT_EQ(*ParseDtype(e.name), e.dtype);
    EXPECT_EQ(DtypeName(e.dtype), e.name);
    EXPECT_EQ(DtypeBytes(e.dtype), e.bytes);
    EXPECT_EQ(IsQuantizable(e.dtype), e.quantizable);
  }
}

TEST(DtypeTest, RefusesUnknownNames) {
  for (const std::string_view name : {"", "f32", "F32 ", "F8", "I4", "F32\n"}) {
    const absl::StatusOr<Dtype> dtype = ParseDtype(name);
    EXPECT_EQ(dtype.status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ParseDtype("F4").status().message(), "unknown dtype \"F4\"");
}

TEST(DtypeTest, RefusesUnknownNumbers) {
  EXPECT_EQ(DtypeFromNumber(0).status(),
            absl::DataLossError("no dtype has number 0"));
  EXPECT_EQ(DtypeFromNumber(16).status(),
            absl::DataLossError("no dtype has number 16"));
}

}  // namespace
}  // namespace qstore
