#include "model/json_text.h"

#include <string>

#include "gtest/gtest.h"

namespace qstore::model {
namespace {

TEST(JsonTextTest, TakesWhatPythonWrites) {
  for (const char* text :
       {"{}", R"({"a": Infinity, "b": [-Infinity, NaN]})",
        R"({"a": 1000000000000000019884624838656, "b": 1e300})",
        "\xef\xbb\xbf{\"a\": 1}", R"({"a": 1, "a": 2})",
        R"({"a": "\ud83d\ude00 \u0000"})"}) {
    EXPECT_TRUE(ParseJsonObject(text).ok()) << text;
  }
}

TEST(JsonTextTest, RefusesTheRest) {
  const std::string deep(1'000'000, '[');
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{"), std::string("{} x"),
        std::string("{'a': 1}"), std::string("{a: 1}"),
        std::string("{\"a\": 1,}"), std::string("{\"a\": \"\xe9\"}"),
        "{\"a\":" + deep}) {
    EXPECT_EQ(ParseJsonObject(text).status().code(),
              absl::StatusCode::kFailedPrecondition)
        << text.substr(0, 40);
  }
  EXPECT_EQ(ParseJsonObject("{\"a\": \"\xe9\"}").status().message(),
            "it is not UTF-8");
}

TEST(JsonTextTest, EditsLeaveTheRestAlone) {
  const std::string text =
      "\xef\xbb\xbf{\r\n\t\"a\" :  {\"b\": 1.50},\r\n\t\"c\\\"\\\\\": "
      "\"d\"\r\n}\r\n";
  const auto document = ParseJsonObject(text);
  ASSERT_TRUE(document.ok()) << document.status();
  JsonEdits edits(text);
  EXPECT_EQ(edits.Apply(), text);
  edits.Replace((*document)["a"]["b"], "2");
  edits.Rename((*document)["c\"\\"], "e");
  edits.AddBehind((*document)["c\"\\"], ", \"f\": 0");
  edits.AddMember(*document, "new", "[\n  1\n]");
  EXPECT_EQ(
      edits.Apply(),
      "\xef\xbb\xbf{\r\n\t\"a\" :  {\"b\": 2},\r\n\t\"e\": \"d\", \"f\": 0,"
      "\r\n\t\"new\": [\n\t  1\n\t]\r\n}\r\n");
}

TEST(JsonTextTest, AddsToObjectsWithoutMembersAndLines) {
  for (const auto& [text, expected] : {std::pair{"{}", "{\"k\": 1}"},
                                       {" { \n } ", " {\"k\": 1} "},
                                       {"{\"a\":2}", "{\"a\":2, \"k\": 1}"}}) {
    const auto document = ParseJsonObject(text);
    ASSERT_TRUE(document.ok());
    JsonEdits edits(text);
    edits.AddMember(*document, "k", "1");
    EXPECT_EQ(edits.Apply(), expected);
  }
}

TEST(JsonTextTest, FindsMembersByKind) {
  const auto document =
      ParseJsonObject(R"({"s": "x", "o": {"i": 1}, "n": null, "l": []})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(FindString(*document, "s"), "x");
  EXPECT_EQ(FindString(*document, "o"), "");
  EXPECT_EQ(FindString(*document, "none"), "");
  EXPECT_EQ(FindString((*document)["l"], "s"), "");
  EXPECT_NE(FindObject(*document, "o"), nullptr);
  EXPECT_EQ(FindObject(*document, "n"), nullptr);
  EXPECT_EQ(FindObject(*document, "l"), nullptr);
}

}  // namespace
}  // namespace qstore::model
