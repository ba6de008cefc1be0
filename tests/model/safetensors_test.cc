#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace qstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

ByteVector LengthPrefix(uint64_t length_bytes) {
  ByteVector prefix(kSafetensorsLengthBytes);
  StoreLittleEndian(length_bytes, prefix.data());
  return prefix;
}

void ExpectRefused(const absl::Status& status, const std::string& reason) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
}

void ExpectHeaderRefused(const std::string& json, uint64_t data_bytes,
                         const std::string& reason) {
  SCOPED_TRACE(json.substr(0, 200));
  ExpectRefused(ParseSafetensorsHeader(AsBytes(json), data_bytes).status(),
                reason);
}

SafetensorsHeader MustParse(const std::string& json, uint64_t data_bytes) {
  absl::StatusOr<SafetensorsHeader> header =
      ParseSafetensorsHeader(AsBytes(json), data_bytes);
  EXPECT_TRUE(header.ok()) << header.status();
  return header.ok() ? *std::move(header) : SafetensorsHeader{};
}

// One entry of a header.
std::string Tensor(const std::string& name, const std::string& dtype,
                   const std::string& shape, uint64_t begin, uint64_t end) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype,
                      "\",\"shape\":", shape, ",\"data_offsets\":[", begin, ",",
                      end, "]}");
}

TEST(SafetensorsLengthTest, TakesALengthThatFits) {
  EXPECT_EQ(*ParseSafetensorsLength(LengthPrefix(2), 10), 2u);
  EXPECT_EQ(*ParseSafetensorsLength(LengthPrefix(0), 8), 0u);
  EXPECT_EQ(*ParseSafetensorsLength(LengthPrefix(100), 1000, 100), 100u);
}

TEST(SafetensorsLengthTest, RefusesLies) {
  ExpectRefused(ParseSafetensorsLength(LengthPrefix(3), 10).status(),
                "header length is 3 bytes, but only 2 bytes follow");
  ExpectRefused(ParseSafetensorsLength(LengthPrefix(101), 1000, 100).status(),
                "101 bytes, more than the 100 allowed");
  ExpectRefused(ParseSafetensorsLength(ByteVector(7), 7).status(),
                "7 bytes, too few for the 8");
  ExpectRefused(ParseSafetensorsLength({}, 0).status(), "0 bytes, too few");
  ExpectRefused(ParseSafetensorsLength(LengthPrefix(0), 3).status(),
                "3 bytes, too few");
  // Near 2^64, where the length plus 8 would wrap to something small.
  for (uint64_t below = 0; below < 16; ++below) {
    const uint64_t length = std::numeric_limits<uint64_t>::max() - below;
    ExpectRefused(ParseSafetensorsLength(LengthPrefix(length), 1000,
                                         std::numeric_limits<uint64_t>::max())
                      .status(),
                  absl::StrCat("header length is ", length, " bytes"));
  }
}

TEST(SafetensorsHeaderTest, ParsesWhatTheReferenceWriterWrites) {
  const std::string json =
      R"({"__metadata__":{"format":"pt","α":"β"},)"
      R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a.weight":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const SafetensorsHeader header = MustParse(json, 16);

  EXPECT_THAT(header.metadata,
              ElementsAre(Pair("format", "pt"), Pair("α", "β")));
  ASSERT_EQ(header.tensors.size(), 2u);
  // By offset, not in the order of the header.
  EXPECT_EQ(header.tensors[0].name, "a.weight");
  EXPECT_EQ(header.tensors[0].dtype, Dtype::kF32);
  EXPECT_THAT(header.tensors[0].shape, IsEmpty());
  EXPECT_EQ(header.tensors[1].name, "b");
  EXPECT_EQ(header.tensors[1].dtype, Dtype::kBF16);
  EXPECT_THAT(header.tensors[1].shape, ElementsAre(2, 3));
  EXPECT_EQ(header.tensors[1].begin_bytes, 4u);
  EXPECT_EQ(header.tensors[1].end_bytes, 16u);
  EXPECT_EQ(header.tensors[1].size_bytes(), 12u);
}

TEST(SafetensorsHeaderTest, FieldsComeInAnyOrderWithAnySpaces) {
  const SafetensorsHeader header = MustParse(
      "{ \"a\" : {\n\t\"data_offsets\" : [ 0 , 4 ] , \"shape\":[4],"
      "\"dtype\":\"U8\" } }\n ",
      4);
  EXPECT_EQ(header.tensors.size(), 1u);
}

TEST(SafetensorsHeaderTest, NoTensorsAtAll) {
  EXPECT_THAT(MustParse("{}", 0).tensors, IsEmpty());
  EXPECT_THAT(MustParse("{\"__metadata__\":{}}", 0).tensors, IsEmpty());
  ExpectHeaderRefused("{}", 1, "end at data byte 0, but the file has 1");
}

TEST(SafetensorsHeaderTest, EmptyTensorsMayLieAnywhereInRange) {
  const std::string json =
      absl::StrCat("{", Tensor("w", "U8", "[10]", 0, 10), ",",
                   Tensor("at_start", "F32", "[0]", 0, 0), ",",
                   Tensor("inside", "F32", "[3,0]", 5, 5), ",",
                   Tensor("at_end", "I64", "[0,7]", 10, 10), "}");
  const SafetensorsHeader header = MustParse(json, 10);
  ASSERT_EQ(header.tensors.size(), 4u);
  // Ties go by name, so that the order is the same everywhere.
  EXPECT_EQ(header.tensors[0].name, "at_start");
  EXPECT_EQ(header.tensors[1].name, "w");
  ExpectHeaderRefused(absl::StrCat("{", Tensor("e", "U8", "[0]", 1, 1), "}"), 0,
                      "pass the end of the 0 data bytes");
}

TEST(SafetensorsHeaderTest, EscapedNamesAreTheSameNames) {
  const SafetensorsHeader header = MustParse(
      absl::StrCat("{", Tensor("\\u0061\\n\\ud83d\\ude00", "U8", "[1]", 0, 1),
                   "}"),
      1);
  EXPECT_EQ(header.tensors.at(0).name, "a\n😀");
  ExpectHeaderRefused(absl::StrCat("{", Tensor("a", "U8", "[1]", 0, 1), ",",
                                   Tensor("\\u0061", "U8", "[0]", 0, 0), "}"),
                      1, "tensor \"a\" is listed twice");
}

TEST(SafetensorsHeaderTest, RefusesLyingOffsets) {
  ExpectHeaderRefused(absl::StrCat("{", Tensor("w", "U8", "[4]", 4, 0), "}"), 4,
                      "tensor \"w\": data_offsets [4, 0] are in reverse order");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[5]", 0, 5), "}"), 4,
      "tensor \"w\": data_offsets [0, 5] pass the end of the 4 data bytes");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[1]", 0, ~uint64_t{0}), "}"), 4,
      "data_offsets [0, 18446744073709551615] pass the end");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "BF16", "[2, 3]", 0, 11), "}"), 11,
      "shape [2, 3] of BF16 needs 12 bytes, but data_offsets [0, 11] span 11");
}

TEST(SafetensorsHeaderTest, TakesElementsOfPartsOfBytes) {
  const SafetensorsHeader header =
      MustParse(absl::StrCat("{", Tensor("a", "F4", "[2,3]", 0, 3), ",",
                             Tensor("b", "F6_E2M3", "[4]", 3, 6), ",",
                             Tensor("c", "C64", "[1]", 6, 14), "}"),
                14);
  EXPECT_EQ(header.tensors.at(1).dtype, Dtype::kF6E2M3);
  ExpectHeaderRefused(absl::StrCat("{", Tensor("w", "F4", "[3]", 0, 2), "}"), 2,
                      "tensor \"w\": shape [3] of F4 needs 1 bytes and 4 "
                      "bits, not whole bytes");
}

TEST(SafetensorsHeaderTest, RefusesOverlapsAndHoles) {
  const std::string first = Tensor("a", "U8", "[6]", 0, 6);
  ExpectHeaderRefused(
      absl::StrCat("{", first, ",", Tensor("b", "U8", "[5]", 5, 10), "}"), 10,
      "tensor \"b\" begins at byte 5, inside tensor \"a\", which ends at byte "
      "6");
  ExpectHeaderRefused(
      absl::StrCat("{", first, ",", Tensor("b", "U8", "[6]", 0, 6), "}"), 6,
      "tensor \"b\" begins at byte 0, inside tensor \"a\"");
  ExpectHeaderRefused(
      absl::StrCat("{", first, ",", Tensor("b", "U8", "[3]", 7, 10), "}"), 10,
      "no tensor covers data bytes 6 to 7, where tensor \"b\" begins");
  ExpectHeaderRefused(absl::StrCat("{", first, "}"), 10,
                      "end at data byte 6, but the file has 10 data bytes");
  ExpectHeaderRefused(absl::StrCat("{", Tensor("a", "U8", "[9]", 1, 10), "}"),
                      10, "no tensor covers data bytes 0 to 1");
}

TEST(SafetensorsHeaderTest, RefusesShapesThatOverflow) {
  // 2^32 x 2^32 is 0 when it wraps.
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[4294967296,4294967296]", 0, 0),
                   "}"),
      0, "shape [4294967296, 4294967296] of U8 needs more than 2^64 bytes");
  // The elements fit, the bytes do not.
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "F64", "[2305843009213693952]", 0, 0), "}"),
      0, "needs more than 2^64 bytes");
  // A zero does not hide an overflow of the others.
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[0,4294967296,4294967296]", 0, 0),
                   "}"),
      0, "needs more than 2^64 bytes");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[18446744073709551615,2]", 0, 4),
                   "}"),
      4, "needs more than 2^64 bytes");
}

TEST(SafetensorsHeaderTest, RefusesNumbersThatAreNotExactCounts) {
  for (const char* number :
       {"-1", "-0", "1.0", "1e0", "1.5", "18446744073709551616", "\"1\"",
        "null", "true", "[1]", "{}"}) {
    ExpectHeaderRefused(absl::StrCat(R"({"w":{"dtype":"U8","shape":[)", number,
                                     R"(],"data_offsets":[0,1]}})"),
                        1,
                        "tensor \"w\": expected a count as dimension, found");
    ExpectHeaderRefused(
        absl::StrCat(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,)",
                     number, "]}}"),
        1, "tensor \"w\": expected a byte offset in data_offsets, found");
  }
}

TEST(SafetensorsHeaderTest, RefusesOffsetsThatAreNotTwo) {
  for (const char* offsets : {"[]", "[0]"}) {
    ExpectHeaderRefused(
        absl::StrCat(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":)",
                     offsets, "}}"),
        0, "data_offsets are fewer than two");
  }
  ExpectHeaderRefused(
      R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}})", 0,
      "data_offsets are more than two");
}

TEST(SafetensorsHeaderTest, RefusesDuplicates) {
  const std::string entry = Tensor("w", "U8", "[1]", 0, 1);
  ExpectHeaderRefused(absl::StrCat("{", entry, ",", entry, "}"), 1,
                      "tensor \"w\" is listed twice");
  // Not next to each other, and both legal on their own.
  ExpectHeaderRefused(
      absl::StrCat("{", entry, ",", Tensor("x", "U8", "[1]", 1, 2), ",",
                   Tensor("w", "U8", "[1]", 2, 3), "}"),
      3, "tensor \"w\" is listed twice");
  ExpectHeaderRefused(
      R"({"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      1, "tensor \"w\": its dtype is given twice");
  ExpectHeaderRefused(
      R"({"w":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1,
      "its shape is given twice");
  ExpectHeaderRefused(
      R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}})",
      1, "its data_offsets is given twice");
  ExpectHeaderRefused(R"({"__metadata__":{},"__metadata__":{}})", 0,
                      "__metadata__: is given twice");
}

// As the library does (0.8).
TEST(SafetensorsHeaderTest, TheLastOfEqualMetadataKeysCounts) {
  EXPECT_EQ(MustParse(R"({"__metadata__":{"a":"1","a":"2"}})", 0).metadata,
            (std::map<std::string, std::string>{{"a", "2"}}));
}

TEST(SafetensorsHeaderTest, MetadataMayBeNull) {
  const SafetensorsHeader header =
      MustParse(absl::StrCat("{\"__metadata__\":null,",
                             Tensor("w", "U8", "[1]", 0, 1), "}"),
                1);
  EXPECT_TRUE(header.metadata.empty());
  EXPECT_EQ(header.tensors.at(0).name, "w");
  ExpectHeaderRefused(R"({"__metadata__":null,"__metadata__":{}})", 0,
                      "__metadata__: is given twice");
}

TEST(SafetensorsHeaderTest, PassesOverUnknownFields) {
  for (const std::string value :
       {"1", "-1", "1.5", "123456789012345678901234567890", "null", "true",
        "\"text\"", "[]", "{}", R"([1,[{"dtype":"F99"},null]])",
        R"({"shape":[1,-2],"a":{"b":["c",{}]},"a":0})"}) {
    for (const bool first : {true, false}) {
      const std::string field = absl::StrCat("\"other\":", value);
      const SafetensorsHeader header = MustParse(
          absl::StrCat("{\"w\":{", first ? field + "," : "",
                       R"("dtype":"U8","shape":[2],"data_offsets":[0,2])",
                       first ? "" : "," + field, "}}"),
          2);
      EXPECT_EQ(header.tensors.at(0).shape, std::vector<uint64_t>{2}) << value;
      EXPECT_EQ(header.tensors.at(0).end_bytes, 2u) << value;
    }
  }
  const auto nested = [](size_t depth) {
    return absl::StrCat(
        R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":)",
        std::string(depth, '['), std::string(depth, ']'), "}}");
  };
  MustParse(nested(125), 1);
  ExpectHeaderRefused(nested(126), 1, "nested more than 125 levels deep");
  ExpectHeaderRefused(
      R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1e9999}})", 1,
      "not valid JSON");
}

TEST(SafetensorsHeaderTest, RefusesMissingFields) {
  ExpectHeaderRefused(R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1,
                      "tensor \"w\": it has no dtype");
  ExpectHeaderRefused(R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1,
                      "it has no shape");
  ExpectHeaderRefused(R"({"w":{"dtype":"U8","shape":[1]}})", 1,
                      "it has no data_offsets");
  ExpectHeaderRefused(R"({"w":{}})", 0, "it has no dtype");
  ExpectHeaderRefused(
      R"({"w":{"dtype":"F31","shape":[1],"data_offsets":[0,1]}})", 1,
      "tensor \"w\": unknown dtype \"F31\"");
}

TEST(SafetensorsHeaderTest, RefusesValuesOfTheWrongKind) {
  ExpectHeaderRefused(R"({"w":1})", 0,
                      "tensor \"w\": expected an object with dtype");
  ExpectHeaderRefused(R"({"w":[]})", 0, "found an array");
  ExpectHeaderRefused(R"({"w":{"dtype":1}})", 0,
                      "expected a string as dtype, found a number");
  ExpectHeaderRefused(R"({"w":{"dtype":{}}})", 0, "found an object");
  ExpectHeaderRefused(R"({"w":{"shape":3}})", 0, "expected an array as shape");
  ExpectHeaderRefused(R"({"w":{"shape":"[]"}})", 0, "found a string");
  ExpectHeaderRefused(R"({"w":{"data_offsets":{}}})", 0,
                      "expected an array of two as data_offsets");
  ExpectHeaderRefused(R"({"__metadata__":[]})", 0, "found an array");
  ExpectHeaderRefused(R"({"__metadata__":{"a":1}})", 0,
                      "the value of \"a\" is a number, not a string");
  ExpectHeaderRefused(R"({"__metadata__":{"a":{}}})", 0,
                      "the value of \"a\" is an object, not a string");
}

TEST(SafetensorsHeaderTest, RefusesWhatIsNotOneJsonObject) {
  ExpectHeaderRefused("", 0, "does not begin with '{'");
  ExpectHeaderRefused(" {}", 0, "does not begin with '{'");
  ExpectHeaderRefused("\xEF\xBB\xBF{}", 0, "does not begin with '{'");
  ExpectHeaderRefused("[]", 0, "does not begin with '{'");
  ExpectHeaderRefused("{", 0, "not valid JSON");
  ExpectHeaderRefused("{}}", 0, "not valid JSON at its byte 3");
  ExpectHeaderRefused("{}{}", 0, "not valid JSON");
  ExpectHeaderRefused("{} x", 0, "not valid JSON");
  ExpectHeaderRefused("{,}", 0, "not valid JSON");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("w", "U8", "[1e400]", 0, 1), "}"), 1,
      "not valid JSON");
  ExpectHeaderRefused("{/* */}", 0, "not valid JSON");
  ExpectHeaderRefused(absl::StrCat("{", Tensor("w", "U8", "[1]", 0, 1), ",}"),
                      1, "not valid JSON");
  ExpectHeaderRefused(std::string("{}\0", 3), 0, "zero byte at its byte 2");
  ExpectHeaderRefused(std::string("{}\0garbage", 10), 0, "zero byte");
  ExpectHeaderRefused(absl::StrCat("{", Tensor("\xFF", "U8", "[1]", 0, 1), "}"),
                      1, "not valid JSON");
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor("\\ud800", "U8", "[1]", 0, 1), "}"), 1,
      "not valid JSON");
}

TEST(SafetensorsHeaderTest, RefusesDeepNestingAtOnce) {
  ExpectHeaderRefused(
      "{\"w\":" + std::string(1 << 20, '[') + std::string(1 << 20, ']') + "}",
      0, "tensor \"w\": expected an object");
  std::string objects = "{\"w\":";
  for (int i = 0; i < 100'000; ++i) objects += "{\"dtype\":";
  ExpectHeaderRefused(objects, 0, "expected a string as dtype");
}

TEST(SafetensorsHeaderTest, RefusesNamesThatAreEmptyOrTooLong) {
  ExpectHeaderRefused(absl::StrCat("{", Tensor("", "U8", "[1]", 0, 1), "}"), 1,
                      "a tensor needs a name");
  const std::string longest(kMaxTensorNameBytes, 'n');
  EXPECT_EQ(
      MustParse(absl::StrCat("{", Tensor(longest, "U8", "[1]", 0, 1), "}"), 1)
          .tensors.size(),
      1u);
  ExpectHeaderRefused(
      absl::StrCat("{", Tensor(longest + "n", "U8", "[1]", 0, 1), "}"), 1,
      "its name has 65537 bytes; at most 65536");
}

TEST(SafetensorsHeaderTest, BoundsDimensions) {
  const auto of_rank = [](size_t rank) {
    return absl::StrCat(
        "{",
        Tensor("w", "U8",
               absl::StrCat("[", absl::StrJoin(std::vector<int>(rank, 1), ","),
                            "]"),
               0, 1),
        "}");
  };
  EXPECT_EQ(MustParse(of_rank(64), 1).tensors.at(0).shape.size(), 64u);
  ExpectHeaderRefused(of_rank(65), 1, "its shape has more than 64 dimensions");

  std::string shape = "[0";
  for (size_t i = 1; i < kMaxTensorRank; ++i) shape += ",1";
  shape += "]";
  std::string json = "{";
  for (size_t i = 0; i < kMaxDimensionsPerFile / kMaxTensorRank; ++i) {
    absl::StrAppend(&json, Tensor(absl::StrCat(i), "U8", shape, 0, 0), ",");
  }
  ExpectHeaderRefused(
      absl::StrCat(json, Tensor("more", "U8", "[0]", 0, 0), "}"), 0,
      "tensor \"more\": the shapes of the file have more than 4194304");
}

TEST(SafetensorsHeaderTest, BoundsTensorsAndMetadata) {
  std::string json = "{";
  for (size_t i = 0; i < kMaxTensorsPerFile; ++i) {
    absl::StrAppend(&json, Tensor(absl::StrCat(i), "U8", "[0]", 0, 0), ",");
  }
  // It is the tensor after the last one allowed that is named.
  ExpectHeaderRefused(
      absl::StrCat(json, Tensor("more", "U8", "[0]", 0, 0), "}"), 0,
      "tensor \"more\": the file has more than 262144 tensors");

  std::string metadata = "{\"__metadata__\":{";
  for (size_t i = 0; i < kMaxMetadataEntries; ++i) {
    absl::StrAppend(&metadata, "\"", i, "\":\"\",");
  }
  EXPECT_EQ(MustParse(metadata.substr(0, metadata.size() - 1) + "}}", 0)
                .metadata.size(),
            kMaxMetadataEntries);
  ExpectHeaderRefused(metadata + "\"more\":\"\"}}", 0,
                      "more than 65536 entries");
}

TEST(SafetensorsHeaderTest, MessagesQuoteHostileNamesSafely) {
  const absl::Status status =
      ParseSafetensorsHeader(
          AsBytes(absl::StrCat(
              "{",
              Tensor("\\u001b[2J" + std::string(1000, 'x'), "U8", "[2]", 0, 1),
              "}")),
          1)
          .status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("\\x1b[2Jxxx"));
  EXPECT_LT(status.message().size(), 300u);
}

TEST(WriteSafetensorsHeaderTest, WritesThePublishedForm) {
  SafetensorsHeader header;
  header.metadata = {{"format", "pt"}};
  header.tensors = {{"w", Dtype::kI8, {2, 3}, 0, 6},
                    {"w_scale", Dtype::kF32, {2, 1}, 6, 14},
                    {"e", Dtype::kF32, {}, 14, 18}};
  const std::string json =
      R"({"__metadata__":{"format":"pt"},)"
      R"("w":{"dtype":"I8","shape":[2,3],"data_offsets":[0,6]},)"
      R"("w_scale":{"dtype":"F32","shape":[2,1],"data_offsets":[6,14]},)"
      R"("e":{"dtype":"F32","shape":[],"data_offsets":[14,18]}})";
  const ByteVector bytes = WriteSafetensorsHeader(header);
  ASSERT_EQ(bytes.size() % 8, 0u);
  EXPECT_EQ(LoadLittleEndian<uint64_t>(bytes.data()), bytes.size() - 8);
  const std::string_view written = AsStringView(ByteView(bytes).subspan(8));
  EXPECT_EQ(written.substr(0, json.size()), json);
  EXPECT_EQ(written.find_first_not_of(' ', json.size()),
            std::string_view::npos);
}

TEST(WriteSafetensorsHeaderTest, ParsesBackWhateverTheNames) {
  SafetensorsHeader header;
  header.metadata = {
      {"", ""}, {"quote\"", "back\\slash\n\t\x01"}, {"ключ", "值"}};
  uint64_t offset = 0;
  for (const char* name : {"a\"b", "a\\b", "größe", "\x01\x1f\x7f", "😀", "/"}) {
    header.tensors.push_back({name, Dtype::kU16, {3}, offset, offset + 6});
    offset += 6;
  }
  const ByteVector bytes = WriteSafetensorsHeader(header);
  const absl::StatusOr<SafetensorsHeader> parsed =
      ParseSafetensorsHeader(ByteView(bytes).subspan(8), offset);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->metadata, header.metadata);
  ASSERT_EQ(parsed->tensors.size(), header.tensors.size());
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    EXPECT_EQ(parsed->tensors[i].name, header.tensors[i].name);
    EXPECT_EQ(parsed->tensors[i].shape, header.tensors[i].shape);
    EXPECT_EQ(parsed->tensors[i].begin_bytes, header.tensors[i].begin_bytes);
  }
  EXPECT_EQ(WriteSafetensorsHeader(*parsed), bytes);
}

TEST(WriteSafetensorsHeaderTest, EmptyHeaderIsPadded) {
  const ByteVector bytes = WriteSafetensorsHeader({});
  EXPECT_EQ(AsStringView(ByteView(bytes).subspan(8)), "{}      ");
}

}  // namespace
}  // namespace qstore
