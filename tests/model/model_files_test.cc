#include "model/model_files.h"

#include <string>

#include "gtest/gtest.h"

namespace qstore::model {
namespace {

TEST(ModelFilesTest, KnowsDocumentsAndIndexes) {
  for (const char* path :
       {"model.safetensors.index.json", "a/x.safetensors.index.fp16.json",
        "x.safetensors.fp16.index.json"}) {
    EXPECT_TRUE(IsShardIndex(path)) << path;
    EXPECT_TRUE(IsModelDocument(path)) << path;
  }
  EXPECT_TRUE(IsModelDocument("text/config.json"));
  EXPECT_TRUE(IsModelDocument("hf_quant_config.json"));
  EXPECT_FALSE(IsModelDocument("tokenizer.json"));
  EXPECT_FALSE(IsShardIndex("pytorch_model.bin.index.json"));
}

std::string DirectoryFor(const ModelFiles& files, const std::string& path) {
  const GoverningConfigs configs(files);
  const GoverningConfigs::Answer answer = configs.Of(path);
  if (answer.directory != nullptr) return "in " + *answer.directory;
  return *answer.reason == '\0' ? "none" : "other";
}

TEST(GoverningConfigsTest, OfFilesThatTransformersReads) {
  ModelFiles files;
  for (const char* path :
       {"model.safetensors", "consolidated.safetensors", "extra.safetensors",
        "mtp/model.safetensors", "text/model.fp16.safetensors",
        "odd/weights.safetensors", "odd/consolidated.safetensors",
        "weights/part-1.safetensors", "original/a.safetensors"}) {
    files.weights.push_back({path, {}});
  }
  for (const char* path :
       {"config.json", "text/config.json", "odd/config.json"}) {
    files.documents[path] = "{}";
  }
  files.documents["model.safetensors.index.json"] =
      R"({"weight_map": {"a": "weights/part-1.safetensors"}})";
  files.documents["broken.safetensors.index.json"] = "";
  EXPECT_EQ(DirectoryFor(files, "model.safetensors"), "in ");
  EXPECT_EQ(DirectoryFor(files, "consolidated.safetensors"), "other");
  EXPECT_EQ(DirectoryFor(files, "extra.safetensors"), "other");
  EXPECT_EQ(DirectoryFor(files, "mtp/model.safetensors"), "none");
  EXPECT_EQ(DirectoryFor(files, "original/a.safetensors"), "none");
  EXPECT_EQ(DirectoryFor(files, "text/model.fp16.safetensors"), "in text");
  EXPECT_EQ(DirectoryFor(files, "odd/weights.safetensors"), "in odd");
  EXPECT_EQ(DirectoryFor(files, "odd/consolidated.safetensors"), "other");
  EXPECT_EQ(DirectoryFor(files, "weights/part-1.safetensors"), "in ");
  EXPECT_EQ(DirectoryFor(files, "no such file"), "none");
}

TEST(GoverningConfigsTest, LonelyFiles) {
  ModelFiles files;
  files.weights.push_back({"anything.safetensors", {}});
  EXPECT_EQ(DirectoryFor(files, "anything.safetensors"), "none");
}

TEST(ModelFilesTest, ReadsWeightMaps) {
  const auto map =
      ReadWeightMap("a/i.json", R"({"weight_map": {"x": "1", "y": "./b/2"}})");
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(*map,
            (std::map<std::string, std::string>{{"x", "a/1"}, {"y", "a/b/2"}}));
  EXPECT_FALSE(ReadWeightMap("i.json", R"({"weight_map": {"z": null}})").ok());
  EXPECT_FALSE(ReadWeightMap("i.json", "{}").ok());
  EXPECT_FALSE(ReadWeightMap("i.json", "nonsense").ok());
}

}  // namespace
}  // namespace qstore::model
