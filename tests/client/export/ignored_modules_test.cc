#include "client/export/ignored_modules.h"

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/client/export/export_tensors.h"

namespace qstore::client {
namespace {

// As compressed-tensors and vLLM ask.
bool Ignores(const std::vector<std::string>& ignored,
             const std::string& module) {
  return std::any_of(
      ignored.begin(), ignored.end(), [&](const std::string& entry) {
        if (!entry.starts_with("re:")) return entry == module;
        return std::regex_search(module, std::regex(entry.substr(3)),
                                 std::regex_constants::match_continuous);
      });
}

ExportTensor Left(const std::string& name,
                  std::vector<uint64_t> shape = {4, 4}) {
  return Tensor(name, Dtype::kBF16, std::move(shape), false);
}
ExportTensor Int8(const std::string& name) {
  return Tensor(name, Dtype::kBF16, {4, 4}, true);
}

void ExpectIgnored(const std::vector<ExportTensor>& tensors,
                   const std::vector<std::string>& ignored,
                   const std::vector<std::string>& taken) {
  const std::vector<std::string> list = IgnoredModules(PointersTo(tensors));
  for (const std::string& module : ignored) {
    EXPECT_TRUE(Ignores(list, module)) << module;
  }
  for (const std::string& module : taken) {
    EXPECT_FALSE(Ignores(list, module)) << module;
  }
}

TEST(IgnoredModulesTest, HeadsThatAreNotStored) {
  ExpectIgnored({Left("bert.embeddings.word_embeddings.weight"),
                 Int8("bert.encoder.layer.0.attention.self.query.weight"),
                 Int8("bert.encoder.layer.0.output.dense.weight"),
                 Left("cls.predictions.transform.dense.weight")},
                {"cls.predictions.decoder", "lm_head", "lm_head.decoder",
                 "proj_out", "classifier", "pooler.dense", "bert.pooler.dense",
                 "class_embed.3", "cls.predictions.transform.dense"},
                {"bert.encoder.layer.0.attention.self.query",
                 "encoder.layer.0.output.dense", "model.layers.7.whatever"});
}

TEST(IgnoredModulesTest, LeftOnesUnderOtherNames) {
  ExpectIgnored({Left("vision_tower.vision_model.encoder.layers.0.fc1.weight"),
                 Left("vision_tower.vision_model.encoder.layers.1.fc1.weight"),
                 Int8("language_model.model.layers.0.self_attn.q_proj.weight")},
                {"vision_tower.vision_model.encoder.layers.0.fc1",
                 "model.vision_tower.vision_model.encoder.layers.23.fc1",
                 "vision_model.encoder.layers.0.fc1"},
                {"language_model.model.layers.0.self_attn.q_proj",
                 "model.language_model.layers.9.self_attn.q_proj"});
}

TEST(IgnoredModulesTest, OneLayerOfMany) {
  ExpectIgnored(
      {Left("model.layers.3.mlp.up.weight"),
       Int8("model.layers.0.mlp.up.weight"),
       Int8("model.layers.13.mlp.up.weight")},
      {"model.layers.3.mlp.up", "layers.3.mlp.up"},
      {"model.layers.0.mlp.up", "model.layers.13.mlp.up", "layers.13.mlp.up"});
}

TEST(IgnoredModulesTest, FusedExperts) {
  ExpectIgnored(
      {Left("model.layers.0.mlp.experts.gate_up_proj", {2, 4, 4}),
       Left("model.layers.0.block_sparse_moe.input_linear.weight", {2, 4, 4}),
       Left("model.layers.0.mixer.conv1d.weight", {4, 1, 4}),
       Int8("model.layers.0.mixer.in_proj.weight"),
       Int8("model.layers.0.self_attn.q_proj.weight")},
      {"model.layers.0.mlp.experts", "model.layers.5.mlp.experts.0.gate_proj",
       "model.layers.0.block_sparse_moe.experts",
       "model.layers.0.block_sparse_moe.experts.1.w1"},
      {"model.layers.0.self_attn.q_proj", "model.layers.0.mixer.in_proj"});
}

TEST(IgnoredModulesTest, HeadsThatAreStoredElsewhere) {
  ExpectIgnored({Left("model.decoder.bbox_embed.0.layers.0.weight"),
                 Left("model.decoder.class_embed.0.weight"),
                 Int8("model.decoder.layers.0.fc1.weight")},
                {"bbox_embed.5.layers.0", "class_embed.5",
                 "model.decoder.bbox_embed.1.layers.0"},
                {"model.decoder.layers.0.fc1"});
}

TEST(IgnoredModulesTest, RoutersUnderOtherNames) {
  ExpectIgnored({Left("model.layers.0.block_sparse_moe.gate.weight"),
                 Int8("model.layers.0.block_sparse_moe.experts.0.w1.weight")},
                {"model.layers.0.mlp.router", "model.layers.1.mlp.gate"},
                {"model.layers.0.mlp.experts.0.w1"});
}

TEST(IgnoredModulesTest, ModelsWithoutNumberedLayers) {
  ExpectIgnored(
      {Int8("net.first.weight"), Int8("second.weight"), Left("third.weight")},
      {"third", "lm_head", "fourth", "model.layers.0.q_proj"},
      {"net.first", "first", "second", "model.second"});
}

TEST(IgnoredModulesTest, NamesThatLookLikeExpressions) {
  ExpectIgnored({Left("re:.*.weight"), Left("a*b?[c]+.x.weight"),
                 Int8("layers.0.q.weight")},
                {"re:.*", "a*b?[c]+.x"}, {"layers.0.q", "layers.1.q"});
}

TEST(IgnoredModulesTest, MatricesOfOtherTypes) {
  ExpectIgnored({Tensor("layers.0.f8.weight", Dtype::kF8E4M3, {4, 4}, false),
                 Tensor("layers.0.f64.weight", Dtype::kF64, {4, 4}, false),
                 Int8("layers.0.q.weight")},
                {"layers.0.f8", "layers.0.f64"}, {"layers.0.q"});
}

}  // namespace
}  // namespace qstore::client
