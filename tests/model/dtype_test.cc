#include "model/dtype.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace qstore {
namespace {

TEST(DtypeTest, NumbersNamesAndSizesAreTheFormats) {
  // These numbers are on disk: a change here is a change of the format.
  const struct {
    uint32_t number;
    Dtype dtype;
    std::string_view name;
    uint32_t bits;
    bool quantizable;
  } expected[] = {
      {1, Dtype::kBool, "BOOL", 8, false},
      {2, Dtype::kU8, "U8", 8, false},
      {3, Dtype::kI8, "I8", 8, false},
      {4, Dtype::kF8E4M3, "F8_E4M3", 8, false},
      {5, Dtype::kF8E5M2, "F8_E5M2", 8, false},
      {6, Dtype::kI16, "I16", 16, false},
      {7, Dtype::kU16, "U16", 16, false},
      {8, Dtype::kF16, "F16", 16, true},
      {9, Dtype::kBF16, "BF16", 16, true},
      {10, Dtype::kI32, "I32", 32, false},
      {11, Dtype::kU32, "U32", 32, false},
      {12, Dtype::kF32, "F32", 32, true},
      {13, Dtype::kF64, "F64", 64, false},
      {14, Dtype::kI64, "I64", 64, false},
      {15, Dtype::kU64, "U64", 64, false},
      {16, Dtype::kF8E8M0, "F8_E8M0", 8, false},
      {17, Dtype::kF4, "F4", 4, false},
      {18, Dtype::kF6E2M3, "F6_E2M3", 6, false},
      {19, Dtype::kF6E3M2, "F6_E3M2", 6, false},
      {20, Dtype::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8, false},
      {21, Dtype::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8, false},
      {22, Dtype::kC64, "C64", 64, false},
  };
  for (const auto& e : expected) {
    SCOPED_TRACE(std::string(e.name));
    EXPECT_EQ(static_cast<uint32_t>(e.dtype), e.number);
    EXPECT_EQ(*DtypeFromNumber(e.number), e.dtype);
    EXPECT_EQ(*ParseDtype(e.name), e.dtype);
    EXPECT_EQ(DtypeName(e.dtype), e.name);
    EXPECT_EQ(DtypeBits(e.dtype), e.bits);
    EXPECT_EQ(IsQuantizable(e.dtype), e.quantizable);
  }
}

TEST(DtypeTest, RefusesUnknownNames) {
  for (const std::string_view name : {"", "f32", "F32 ", "F8", "I4", "F32\n"}) {
    const absl::StatusOr<Dtype> dtype = ParseDtype(name);
    EXPECT_EQ(dtype.status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ParseDtype("F5").status().message(), "unknown dtype \"F5\"");
}

TEST(DtypeTest, RefusesUnknownNumbers) {
  EXPECT_EQ(DtypeFromNumber(0).status(),
            absl::DataLossError("no dtype has number 0"));
  EXPECT_EQ(DtypeFromNumber(23).status(),
            absl::DataLossError("no dtype has number 23"));
}

TEST(TensorBytesTest, CountsWholeBytes) {
  const auto bytes = [](Dtype dtype, std::vector<uint64_t> shape) {
    return TensorBytes(dtype, shape).value();
  };
  EXPECT_EQ(bytes(Dtype::kF32, {}), 4u);
  EXPECT_EQ(bytes(Dtype::kF32, {3, 5}), 60u);
  EXPECT_EQ(bytes(Dtype::kC64, {3}), 24u);
  EXPECT_EQ(bytes(Dtype::kF4, {2}), 1u);
  // Rows need not end at a byte.
  EXPECT_EQ(bytes(Dtype::kF4, {2, 3}), 3u);
  EXPECT_EQ(bytes(Dtype::kF6E2M3, {4}), 3u);
  EXPECT_EQ(bytes(Dtype::kF6E3M2, {2, 2, 9}), 27u);
  EXPECT_EQ(bytes(Dtype::kF4, {3, 0}), 0u);
  EXPECT_EQ(bytes(Dtype::kF64, {uint64_t{1} << 60, 0}), 0u);
  // More bits than 64 can count.
  EXPECT_EQ(bytes(Dtype::kF64, {uint64_t{1} << 60}), uint64_t{1} << 63);
  EXPECT_EQ(bytes(Dtype::kF4, {~uint64_t{1}}), (~uint64_t{1}) / 2);
}

TEST(TensorBytesTest, RefusesPartsOfBytesAndOverflow) {
  const auto error = [](Dtype dtype, std::vector<uint64_t> shape) {
    const auto bytes = TensorBytes(dtype, shape);
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(bytes.status().message());
  };
  EXPECT_EQ(error(Dtype::kF4, {3}),
            "shape [3] of F4 needs 1 bytes and 4 bits, not whole bytes");
  EXPECT_EQ(error(Dtype::kF4, {}),
            "shape [] of F4 needs 0 bytes and 4 bits, not whole bytes");
  EXPECT_EQ(error(Dtype::kF6E2M3, {1, 2}),
            "shape [1, 2] of F6_E2M3 needs 1 bytes and 4 bits, not whole "
            "bytes");
  const std::string overflow = " needs more than 2^64 bytes";
  EXPECT_EQ(error(Dtype::kF64, {uint64_t{1} << 61}),
            "shape [2305843009213693952] of F64" + overflow);
  EXPECT_EQ(error(Dtype::kU8, {uint64_t{1} << 32, uint64_t{1} << 32}),
            "shape [4294967296, 4294967296] of U8" + overflow);
  EXPECT_EQ(error(Dtype::kU8, {0, ~uint64_t{0}, 2}),
            "shape [0, 18446744073709551615, 2] of U8" + overflow);
}

}  // namespace
}  // namespace qstore
