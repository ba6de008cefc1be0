#include "client/upload/upload_checks.h"

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPointer[] =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:0123456789abcdef\nsize 12345\n";

class UploadChecksTest : public ::testing::Test {
 protected:
  absl::StatusOr<UploadChecks> Check(bool force = false) {
    files_ = *ListModelFiles(directory_.path());
    return CheckUploadFiles(force, &files_);
  }

  std::vector<std::string> Notes(bool force = false) {
    auto checks = Check(force);
    EXPECT_TRUE(checks.ok()) << checks.status();
    return checks.ok() ? checks->notes : std::vector<std::string>();
  }

  std::string Refusal() {
    const auto checks = Check();
    EXPECT_EQ(checks.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(checks.status().message());
  }

  std::vector<std::string> AsBytes() const {
    std::vector<std::string> paths;
    for (const SourceFile& file : files_) {
      if (file.as_bytes) paths.push_back(file.path);
    }
    return paths;
  }

  void WriteIndex(const std::string& path, const std::string& weight_map) {
    directory_.Write(path,
                     R"({"metadata": {}, "weight_map": )" + weight_map + "}");
  }

  TemporaryDirectory directory_;
  std::vector<SourceFile> files_;
};

std::string SafetensorsOf(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  StoreLittleEndian<uint64_t>(header.size(), length.data());
  return length + header + data;
}

TEST_F(UploadChecksTest, HasNothingToSayOfAGoodModel) {
  directory_.Write("a.safetensors", SafetensorsOf("{}", ""));
  directory_.Write("sub/b.safetensors", SafetensorsOf("{}", ""));
  directory_.Write("config.json", "{}");
  directory_.Write("empty", "");
  WriteIndex("model.safetensors.index.json",
             R"({"x": "a.safetensors", "y": "sub/b.safetensors"})");
  WriteIndex("sub/x.index.json",
             R"({"x": "b.safetensors", "y": "../a.safetensors"})");
  WriteIndex("none.index.json", "{}");
  EXPECT_THAT(Notes(), IsEmpty());
  EXPECT_THAT(AsBytes(), IsEmpty());
}

TEST_F(UploadChecksTest, KeepsWhatCannotBeTakenApart) {
  directory_.Write("cut.safetensors", SafetensorsOf("{}", "").substr(0, 9));
  directory_.Write("empty.safetensors", "");
  directory_.Write("good.safetensors", SafetensorsOf("{}", ""));
  directory_.Write("more.safetensors", SafetensorsOf("{}", "x"));
  EXPECT_THAT(
      Notes(),
      ElementsAre(
          AllOf(HasSubstr("cut.safetensors"), HasSubstr("only 1 bytes follow"),
                HasSubstr("; storing its bytes as they are")),
          HasSubstr("empty.safetensors"), HasSubstr("more.safetensors")));
  EXPECT_THAT(AsBytes(), ElementsAre("cut.safetensors", "empty.safetensors",
                                     "more.safetensors"));
}

TEST_F(UploadChecksTest, RefusesPointersOfGitLfs) {
  for (const char* path :
       {"m.safetensors", "m.bin", "m.gguf", "m.pt", "sub/tokenizer.json"}) {
    const TemporaryDirectory directory;
    directory.Write(path, kPointer);
    std::vector<SourceFile> files = *ListModelFiles(directory.path());
    const auto refused = CheckUploadFiles(/*force=*/false, &files);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.status().message()),
                AllOf(HasSubstr(path), HasSubstr("git lfs pull")));
    EXPECT_EQ(ReasonOf(refused.status()), kReasonAccident);
  }
}

TEST_F(UploadChecksTest, KeepsPointersWhereItIsForced) {
  directory_.Write("m.bin", kPointer);
  directory_.Write("m.safetensors", kPointer);
  EXPECT_THAT(Notes(/*force=*/true),
              ElementsAre(AllOf(HasSubstr("m.bin"), HasSubstr("Git LFS")),
                          HasSubstr("m.safetensors")));
  EXPECT_THAT(AsBytes(), ElementsAre("m.safetensors"));
}

TEST_F(UploadChecksTest, TakesNothingElseForAPointer) {
  directory_.Write("a.txt", std::string(" ") + kPointer);
  directory_.Write("b.txt", kPointer + std::string(1024, 'x'));
  directory_.Write("c.txt", "version https://git-lfs");
  EXPECT_THAT(Notes(), IsEmpty());
}

TEST_F(UploadChecksTest, RefusesAnIndexWhoseShardsAreMissing) {
  directory_.Write("m-1.safetensors", SafetensorsOf("{}", ""));
  WriteIndex("model.safetensors.index.json",
             R"({"a": "m-1.safetensors", "b": "m-2.safetensors",
                 "c": "m-2.safetensors"})");
  EXPECT_THAT(Refusal(),
              HasSubstr("index.json\" names files that are not there, "
                        "\"m-2.safetensors\": finish"));
  EXPECT_THAT(Notes(/*force=*/true), ElementsAre(HasSubstr("m-2.safetensors")));
}

TEST_F(UploadChecksTest, CountsMissingShards) {
  WriteIndex("sub/model.bin.index.json",
             R"({"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"})");
  directory_.Write("1", "in another directory");
  EXPECT_THAT(Refusal(),
              HasSubstr(R"(there, "sub/1", "sub/2", "sub/3" and 2 more: )"));
}

TEST_F(UploadChecksTest, KeepsAnIndexThatCannotBeRead) {
  directory_.Write("a.index.json", "");
  directory_.Write("b.index.json", "[]");
  directory_.Write("c.index.json", "{}");
  directory_.Write("d.index.json", R"({"weight_map": []})");
  directory_.Write("e.index.json", R"({"weight_map": {"w": 1}})");
  EXPECT_THAT(Notes(),
              ElementsAre(HasSubstr("a.index.json\" cannot be read (it is not "
                                    "a JSON object); storing it as it is"),
                          HasSubstr("is not a JSON object"),
                          HasSubstr("has no weight_map"),
                          HasSubstr("has no weight_map"),
                          HasSubstr("a shard that is no string")));
}

// What is left of a download of the safetensors alone.
TEST_F(UploadChecksTest, IndexesOfFormatsThatAreNotThereAreNotes) {
  directory_.Write("model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  directory_.Write("pytorch_model.bin.index.json",
                   R"({"weight_map": {"a": "pytorch_model-1.bin"}})");
  EXPECT_THAT(Notes(), ElementsAre(HasSubstr("pytorch_model-1.bin")));
}

}  // namespace
}  // namespace qstore::client
