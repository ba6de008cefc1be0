#include "client/export/shard_index.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/export/export_tensors.h"

namespace qstore::client {
namespace {

constexpr char kIndex[] =
    R"({"metadata": {"total_size": 99, "kept": 1.50}, "weight_map":
         {"a.weight": "m-1.safetensors", "emb.weight": "m-2.safetensors",
          "b.weight": "m-2.safetensors"}})";

TensorsByFile Shards() {
  const std::vector<ExportTensor> tensors = SmallModel();
  // a.weight lies in both: the index says which counts.
  return {{"m-1.safetensors", {tensors[1]}},
          {"m-2.safetensors", {tensors[0], tensors[1], tensors[4]}}};
}

nlohmann::json Rewrite(const std::string& format) {
  const auto index = RewriteIndex(
      FormatNamed(format), "model.safetensors.index.json", kIndex, Shards());
  EXPECT_TRUE(index.ok()) << index.status();
  EXPECT_NE(index->find("\"kept\": 1.50"), std::string::npos);
  return nlohmann::json::parse(*index);
}

TEST(ShardIndexTest, NamesScalesBesideTheirCodes) {
  const nlohmann::json index = Rewrite("compressed-tensors");
  EXPECT_EQ(index["weight_map"],
            nlohmann::json({{"a.weight", "m-1.safetensors"},
                            {"a.weight_scale", "m-1.safetensors"},
                            {"b.weight", "m-2.safetensors"},
                            {"b.weight_scale", "m-2.safetensors"},
                            {"emb.weight", "m-2.safetensors"}}));
  // a: 21 codes, 3 scales; emb: 15 values of 2 bytes; b: 1 code, 1 scale.
  EXPECT_EQ(index["metadata"]["total_size"], 68);
}

TEST(ShardIndexTest, RenamesWhatIsPacked) {
  const nlohmann::json index = Rewrite("pack-quantized");
  EXPECT_EQ(index["weight_map"].size(), 7u);
  EXPECT_FALSE(index["weight_map"].contains("a.weight"));
  EXPECT_EQ(index["weight_map"]["a.weight_packed"], "m-1.safetensors");
  EXPECT_EQ(index["weight_map"]["b.weight_shape"], "m-2.safetensors");
  // a: 24 + 12 + 16; emb: 30; b: 4 + 4 + 16.
  EXPECT_EQ(index["metadata"]["total_size"], 106);
}

TEST(ShardIndexTest, KnowsShardsByTheDirectoryOfTheIndex) {
  TensorsByFile shards;
  for (const auto& [path, tensors] : Shards()) {
    shards["part/" + path] = tensors;
  }
  const ExportFormat& format = FormatNamed("compressed-tensors");
  const auto inside = RewriteIndex(format, "part/x.safetensors.index.fp16.json",
                                   kIndex, shards);
  ASSERT_TRUE(inside.ok()) << inside.status();
  EXPECT_TRUE(
      nlohmann::json::parse(*inside)["weight_map"].contains("b.weight_scale"));
  const auto outside =
      RewriteIndex(format, "x.safetensors.index.json", kIndex, shards);
  ASSERT_TRUE(outside.ok()) << outside.status();
  EXPECT_EQ(*outside, kIndex);
}

TEST(ShardIndexTest, TakesNamesThatBeginWithADot) {
  const auto index = RewriteIndex(
      FormatNamed("compressed-tensors"), "i.json",
      R"({"weight_map": {"a.weight": "./m-1.safetensors"}})", Shards());
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(nlohmann::json::parse(*index)["weight_map"]["a.weight_scale"],
            "./m-1.safetensors");
}

TEST(ShardIndexTest, KeepsOddNames) {
  ExportTensor odd = Tensor("q\"\\u.weight", Dtype::kF32, {1, 2}, true);
  const auto index = RewriteIndex(
      FormatNamed("pack-quantized"), "i.json",
      R"({"weight_map":{"q\"\\u.weight" : "s\u00e9.safetensors"}})",
      {{"s\xc3\xa9.safetensors", {odd}}});
  ASSERT_TRUE(index.ok()) << index.status();
  const auto map = nlohmann::json::parse(*index)["weight_map"];
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map["q\"\\u.weight_packed"], "s\xc3\xa9.safetensors");
}

TEST(ShardIndexTest, RefusesWhatIsNoIndex) {
  for (const char* text :
       {"{}", "[]", R"({"weight_map": []})", "nonsense", ""}) {
    EXPECT_EQ(RewriteIndex(FormatNamed("compressed-tensors"), "i.json", text,
                           Shards())
                  .status()
                  .code(),
              absl::StatusCode::kFailedPrecondition)
        << text;
  }
}

}  // namespace
}  // namespace qstore::client
