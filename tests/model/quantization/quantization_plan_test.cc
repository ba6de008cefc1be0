#include "model/quantization/quantization_plan.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/quantization/weights.h"

namespace qstore::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kLinearName[] = "layers.0.up.weight";

// A model directory of one linear layer and the documents given.
ModelFiles Directory(std::map<std::string, std::string> documents,
                     const std::string& path = "model.safetensors") {
  ModelFiles files;
  files.weights.push_back({path, {Tensor(kLinearName)}});
  files.documents = std::move(documents);
  return files;
}

// The rule that decided on the first tensor of the first file.
std::string FirstRule(const ModelFiles& files,
                      const PlanOptions& options = {}) {
  return PlanQuantization(files, options).files[0].tensors[0].rule;
}

constexpr char kBert[] = R"({"model_type": "bert"})";

TEST(QuantizationPlanTest, ATransformersModelIsQuantized) {
  const QuantizationPlan plan =
      PlanQuantization(Directory({{"config.json", kBert}}), {});
  EXPECT_TRUE(plan.files[0].tensors[0].quantized);
  EXPECT_EQ(plan.quantized_count, 1u);
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(QuantizationPlanTest, DirectoriesThatOthersRead) {
  const struct {
    std::map<std::string, std::string> documents;
    const char* rule;
  } cases[] = {
      {{}, "no-config"},
      {{{"config.json", kBert}, {"adapter_config.json", "{}"}}, "adapter"},
      {{{"config.json", R"({"_class_name": "UNet2DConditionModel"})"}},
       "diffusers"},
      {{{"config.json", R"({"architecture": "vit", "pretrained_cfg": {}})"}},
       "timm"},
      {{{"config.json", R"({"in_features": 32})"}}, "no-model-type"},
      {{{"config.json", "not JSON"}}, "unreadable-config"},
      {{{"config.json", R"({"model_type": "dinov2"})"}}, "model-type"},
      {{{"config.json",
         R"({"model_type": "x", "text_config": {"model_type": "llama4_text"}})"}},
       "model-type"},
      {{{"config.json", "{\"model_type\": \"\xe9\"}"}}, "unreadable-config"},
  };
  for (const auto& test : cases) {
    const ModelFiles files = Directory(test.documents);
    const QuantizationPlan plan = PlanQuantization(files, {});
    EXPECT_STREQ(plan.files[0].tensors[0].rule, test.rule);
    EXPECT_EQ(plan.notes.size(), 1u) << test.rule;
    EXPECT_EQ(FirstRule(files, {.ask = true}), "linear") << test.rule;
  }
}

TEST(QuantizationPlanTest, WhatIsQuantizedAlready) {
  for (const char* config :
       {R"({"model_type": "a", "quantization_config": {"bits": 4}})",
        R"({"model_type": "a", "compression_config": {}})",
        R"({"model_type": "a", "quantization": {"group_size": 64}})",
        R"({"model_type": "a", "text_config": {"quantization_config": {}}})",
        R"(broken "quantization_config": {})"}) {
    EXPECT_EQ(FirstRule(Directory({{"config.json", config}}), {.ask = true}),
              "quantized")
        << config;
  }
  for (const char* document :
       {"hf_quant_config.json", "quantize_config.json", "quant_config.json"}) {
    const ModelFiles files =
        Directory({{"config.json", kBert}, {document, "{}"}});
    EXPECT_EQ(FirstRule(files, {.ask = true}), "quantized") << document;
    EXPECT_THAT(PlanQuantization(files, {}).notes,
                ElementsAre(HasSubstr(document)));
  }
  EXPECT_EQ(FirstRule(Directory({{"config.json",
                                  R"({"model_type": "a",
                                      "quantization_config": null})"}})),
            "linear");
}

TEST(QuantizationPlanTest, TensorsThatSayThatTheyAreQuantized) {
  const std::vector<std::vector<TensorEntry>> cases = {
      {Tensor("a.weight", {8, 8}, Dtype::kF8E4M3),
       Tensor("a.weight_scale_inv", {1, 1}, Dtype::kF32)},
      {Tensor("a.weight", {8, 2}, Dtype::kU32), Tensor("a.scales", {8, 1}),
       Tensor("a.biases", {8, 1})},
      {Tensor("a.qweight", {8, 2}, Dtype::kI32)},
      {Tensor("a.weight_packed", {8, 2}, Dtype::kI32)},
      {Tensor("a.weight", {8, 8}, Dtype::kI8),
       Tensor("a.SCB", {8}, Dtype::kF32)},
      {Tensor("scale_weight", {}, Dtype::kF32)}};
  for (const std::vector<TensorEntry>& tensors : cases) {
    ModelFiles files = Directory({{"config.json", kBert}});
    // In whichever shard they are.
    files.weights.push_back({"model-2-of-2.safetensors", tensors});
    EXPECT_EQ(FirstRule(files, {.ask = true}), "scales") << tensors[0].name;
  }
  ModelFiles alone = Directory({{"config.json", kBert}});
  alone.weights.push_back({"model-2-of-2.safetensors",
                           {Tensor("a.weight", {8, 8}, Dtype::kF8E4M3),
                            Tensor("b.weight", {8, 8}, Dtype::kI8)}});
  EXPECT_EQ(FirstRule(alone), "linear");
}

TEST(QuantizationPlanTest, EachDirectoryByItsOwnConfig) {
  ModelFiles files = Directory({{"config.json", kBert},
                                {"2_Dense/config.json", "{}"},
                                {"text/config.json", kBert}});
  for (const char* path :
       {"2_Dense/model.safetensors", "mtp/model.safetensors",
        "text/model.safetensors", "consolidated.safetensors"}) {
    files.weights.push_back({path, {Tensor(kLinearName)}});
  }
  const QuantizationPlan plan = PlanQuantization(files, {});
  EXPECT_STREQ(plan.files[0].tensors[0].rule, "linear");
  EXPECT_STREQ(plan.files[1].tensors[0].rule, "no-model-type");
  EXPECT_STREQ(plan.files[2].tensors[0].rule, "no-config");
  EXPECT_STREQ(plan.files[3].tensors[0].rule, "linear");
  EXPECT_STREQ(plan.files[4].tensors[0].rule, "other-format");
  EXPECT_EQ(plan.quantized_count, 2u);
  EXPECT_THAT(plan.notes,
              ElementsAre(HasSubstr("consolidated.safetensors"),
                          HasSubstr("2_Dense/"), HasSubstr("mtp/")));
}

TEST(QuantizationPlanTest, BiasesInOtherShardsCount) {
  ModelFiles files =
      Directory({{"config.json", kBert}}, "model-00001-of-00002.safetensors");
  files.weights[0].tensors = {Tensor("h.0.x.weight", {32, 96})};
  files.weights.push_back(
      {"model-00002-of-00002.safetensors", {Tensor("h.0.x.bias", {96})}});
  EXPECT_EQ(FirstRule(files), "transposed");
}

TEST(QuantizationPlanTest, NumbersOfNestedConfigs) {
  ModelFiles files = Directory(
      {{"config.json",
        R"({"model_type": "a", "text_config": {"vocab_size": 1000}})"}});
  files.weights[0].tensors = {Tensor("to_words.weight", {1000, 8}),
                              Tensor(kLinearName)};
  EXPECT_EQ(FirstRule(files), "vocabulary");
}

TEST(QuantizationPlanTest, PatternsOfThePerson) {
  const ModelFiles files = Directory({{"config.json", kBert}});
  EXPECT_EQ(FirstRule(files, {.include = {"*.up.*"}}), "linear");
  EXPECT_EQ(FirstRule(files, {.include = {"*.down.*"}}), "include");
  EXPECT_EQ(FirstRule(files, {.exclude = {"*.up.*"}}), "exclude");
  const QuantizationPlan plan = PlanQuantization(
      files, {.include = {"*"}, .exclude = {"*.bin", "*.0.*"}});
  EXPECT_THAT(plan.unused_patterns, ElementsAre("*.bin"));
}

TEST(QuantizationPlanTest, ALoneFile) {
  const std::vector<TensorPlan> plan =
      *PlanLoneFile({Tensor(kLinearName), Tensor("lm_head.weight")}, {});
  EXPECT_TRUE(plan[0].quantized);
  EXPECT_STREQ(plan[1].rule, "head");
}

TEST(QuantizationPlanTest, IsGivenUpBetweenTensors) {
  const std::vector<TensorEntry> tensors(5, Tensor(kLinearName));
  int asked = 0;
  const auto plan = PlanLoneFile(tensors, {}, [&] { return ++asked == 3; });
  EXPECT_TRUE(absl::IsCancelled(plan.status()));
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace qstore::model
