#include "model/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qstore {
namespace {

using ::testing::HasSubstr;

// INVALID_ARGUMENT, with a message that contains `reason`.
void ExpectNameRefused(const absl::Status& status, const std::string& reason) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
}

TEST(ModelNameTest, AcceptsUsualNames) {
  for (const std::string& name : std::vector<std::string>{
           "a", "0", "bert-base-uncased", "meta-llama/Llama-3.1-8B", "a/b/c/d",
           "org/model_v2.0", "a.b.c", std::string(200, 'x')}) {
    EXPECT_EQ(ValidateModelName(name), absl::OkStatus()) << name;
  }
}

TEST(ModelNameTest, RefusesWhatBreaksARule) {
  ExpectNameRefused(ValidateModelName(""), "model name is empty");
  ExpectNameRefused(ValidateModelName(std::string(201, 'x')),
                    "has 201 bytes; at most 200 are allowed");
  ExpectNameRefused(ValidateModelName("/a"), "empty part");
  ExpectNameRefused(ValidateModelName("a/"), "empty part");
  ExpectNameRefused(ValidateModelName("a//b"), "empty part");
  ExpectNameRefused(ValidateModelName("a/b/c/d/e"), "5 parts");
  ExpectNameRefused(ValidateModelName(".."),
                    "must start with a letter or digit");
  ExpectNameRefused(ValidateModelName("a/.."),
                    "must start with a letter or digit");
  ExpectNameRefused(ValidateModelName("a/.hidden"), "part \".hidden\"");
  ExpectNameRefused(ValidateModelName("-a"), "must start");
  ExpectNameRefused(ValidateModelName("_a"), "must start");
  ExpectNameRefused(ValidateModelName("a..b"), "may not contain \"..\"");
  ExpectNameRefused(ValidateModelName("a b"), "may contain only");
  ExpectNameRefused(ValidateModelName("a\\b"), "may contain only");
  ExpectNameRefused(ValidateModelName("a:b"), "may contain only");
  ExpectNameRefused(ValidateModelName("größe"), "may contain only");
  ExpectNameRefused(ValidateModelName(std::string("a\0b", 3)),
                    "may contain only");
}

TEST(BackupNameTest, IsOneDirectoryName) {
  for (const std::string& name : std::vector<std::string>{
           "a", "2026-11-24", "before.v2_1", std::string(128, 'x'), "a..b"}) {
    EXPECT_EQ(ValidateBackupName(name), absl::OkStatus()) << name;
  }
  ExpectNameRefused(ValidateBackupName(""), "backup name is empty");
  ExpectNameRefused(ValidateBackupName(std::string(129, 'x')), "129 bytes");
  for (const char* name : {".", "..", ".partial-a", "-rf", "_a", "/tmp/a"}) {
    ExpectNameRefused(ValidateBackupName(name), "must start with");
  }
  for (const char* name :
       {"a/b", "a/../../b", "a\\b", "a b", "a\n", "\u00e4a"}) {
    EXPECT_FALSE(ValidateBackupName(name).ok()) << name;
  }
  ExpectNameRefused(ValidateBackupName(std::string_view("a\0b", 3)),
                    "may contain only");
}

TEST(TagTest, AcceptsUsualTags) {
  for (const std::string& tag :
       std::vector<std::string>{"latest", "v1.2.3", "_x", "2024-01-01", "a..b",
                                std::string(128, 't')}) {
    EXPECT_EQ(ValidateTag(tag), absl::OkStatus()) << tag;
  }
}

TEST(TagTest, RefusesWhatBreaksARule) {
  ExpectNameRefused(ValidateTag(""), "tag is empty");
  ExpectNameRefused(ValidateTag(std::string(129, 't')), "129 bytes");
  ExpectNameRefused(ValidateTag("."), "must start");
  ExpectNameRefused(ValidateTag("-v"), "must start");
  ExpectNameRefused(ValidateTag("a/b"), "may contain only");
  ExpectNameRefused(ValidateTag("a@b"), "may contain only");
  ExpectNameRefused(ValidateTag("a\n"), "may contain only");
}

TEST(RevisionPrefixTest, TakesSixToSixtyFourLowerCaseDigits) {
  EXPECT_EQ(ValidateRevisionPrefix("012abc"), absl::OkStatus());
  EXPECT_EQ(ValidateRevisionPrefix(std::string(64, 'f')), absl::OkStatus());
  ExpectNameRefused(ValidateRevisionPrefix(""), "revision is empty");
  ExpectNameRefused(ValidateRevisionPrefix("012ab"), "give at least 6");
  ExpectNameRefused(ValidateRevisionPrefix(std::string(65, 'f')), "65 bytes");
  ExpectNameRefused(ValidateRevisionPrefix("012ABC"), "digits 0-9 and a-f");
  ExpectNameRefused(ValidateRevisionPrefix("012abg"), "digits 0-9 and a-f");
}

TEST(RelativePathTest, AcceptsUsualPaths) {
  for (const std::string& path : std::vector<std::string>{
           "config.json", "1_Pooling/config.json", ".gitattributes",
           "a/b/c/d/e/f/g", "größe/重み.txt", "with space", "a..b", "...",
           "a:b", "~", "-rf", std::string(255, 'x')}) {
    EXPECT_EQ(ValidateRelativePath(path), absl::OkStatus()) << path;
  }
}

TEST(RelativePathTest, RefusesWhatLeavesTheDirectoryOrHidesItself) {
  ExpectNameRefused(ValidateRelativePath(""), "path is empty");
  ExpectNameRefused(ValidateRelativePath("/etc/passwd"), "is absolute");
  ExpectNameRefused(ValidateRelativePath("/"), "is absolute");
  ExpectNameRefused(ValidateRelativePath(".."), "has the part \"..\"");
  ExpectNameRefused(ValidateRelativePath("../x"), "has the part \"..\"");
  ExpectNameRefused(ValidateRelativePath("a/../../x"), "has the part \"..\"");
  ExpectNameRefused(ValidateRelativePath("a/.."), "has the part \"..\"");
  ExpectNameRefused(ValidateRelativePath("."), "has the part \".\"");
  ExpectNameRefused(ValidateRelativePath("./x"), "has the part \".\"");
  ExpectNameRefused(ValidateRelativePath("a//b"), "empty part");
  ExpectNameRefused(ValidateRelativePath("a/"), "empty part");
  ExpectNameRefused(ValidateRelativePath("..\\x"), "backslash");
  ExpectNameRefused(ValidateRelativePath("C:\\x"), "backslash");
  ExpectNameRefused(ValidateRelativePath(std::string("a\0b", 3)),
                    "control character");
  ExpectNameRefused(ValidateRelativePath("a\nb"), "control character");
  ExpectNameRefused(ValidateRelativePath("a\x7f"), "control character");
  // U+009B starts an escape sequence on some terminals.
  ExpectNameRefused(ValidateRelativePath("a\xC2\x9B"
                                         "31m"),
                    "control character");
  ExpectNameRefused(ValidateRelativePath("a\xFF"), "not valid UTF-8");
  // '/' and ".." in overlong forms.
  ExpectNameRefused(ValidateRelativePath("..\xC0\xAFx"), "not valid UTF-8");
  ExpectNameRefused(ValidateRelativePath("\xC0\xAE\xC0\xAE/x"),
                    "not valid UTF-8");
}

TEST(RelativePathTest, BoundsLengths) {
  ExpectNameRefused(ValidateRelativePath(std::string(256, 'x')),
                    "a part of 256 bytes");
  std::string path;
  for (int i = 0; i < 512; ++i) path += "a/";
  path.pop_back();
  EXPECT_EQ(ValidateRelativePath(path), absl::OkStatus());
  ExpectNameRefused(ValidateRelativePath(path + "bb"), "1025 bytes");
}

TEST(ModelReferenceTest, ParsesItsThreeForms) {
  const ModelReference bare = *ParseModelReference("org/name");
  EXPECT_EQ(bare.model, "org/name");
  EXPECT_EQ(bare.tag, "latest");
  EXPECT_EQ(bare.revision_prefix, "");
  EXPECT_EQ(bare.ToString(), "org/name:latest");

  const ModelReference tagged = *ParseModelReference("name:prod-1.0");
  EXPECT_EQ(tagged.model, "name");
  EXPECT_EQ(tagged.tag, "prod-1.0");
  EXPECT_EQ(tagged.revision_prefix, "");
  EXPECT_EQ(tagged.ToString(), "name:prod-1.0");

  const ModelReference pinned = *ParseModelReference("a/b@0123abcd");
  EXPECT_EQ(pinned.model, "a/b");
  EXPECT_EQ(pinned.tag, "");
  EXPECT_EQ(pinned.revision_prefix, "0123abcd");
  EXPECT_EQ(pinned.ToString(), "a/b@0123abcd");
}

TEST(ModelReferenceTest, RefusesBadParts) {
  ExpectNameRefused(ParseModelReference("").status(), "model name is empty");
  ExpectNameRefused(ParseModelReference(":tag").status(),
                    "model name is empty");
  ExpectNameRefused(ParseModelReference("name:").status(), "tag is empty");
  ExpectNameRefused(ParseModelReference("name@").status(), "revision is empty");
  ExpectNameRefused(ParseModelReference("name@abc").status(),
                    "give at least 6");
  ExpectNameRefused(ParseModelReference("name@main-tag").status(), "digits");
  ExpectNameRefused(ParseModelReference("name:a:b").status(),
                    "may contain only");
  ExpectNameRefused(ParseModelReference("name:tag@012abc").status(),
                    "may contain only");
  ExpectNameRefused(ParseModelReference("../name").status(), "must start");
}

}  // namespace
}  // namespace qstore
