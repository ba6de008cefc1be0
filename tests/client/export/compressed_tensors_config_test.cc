#include "client/export/compressed_tensors_config.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/export/export_tensors.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> Rewrite(
    const std::string& config, const std::vector<ExportTensor>& tensors,
    const std::string& format = "compressed-tensors") {
  return RewriteConfig(FormatNamed(format), config, PointersTo(tensors));
}

TEST(CompressedTensorsConfigTest, AddsToTheTextAndChangesNothingElse) {
  const std::string text =
      "{\n  \"z_first\": 1,\n  \"a_second\": [1.50, \"\\u00e9\", -Infinity, "
      "NaN],\n"
      "  \"large\": 1000000000000000019884624838656\n}\n";
  const auto config = Rewrite(text, SmallModel());
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string before = text.substr(0, text.size() - 3);
  EXPECT_EQ(*config, before + R"(,
  "quantization_config": {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "kv_cache_scheme": null,
    "global_compression_ratio": null,
    "ignore": [
      "lm_head",
      "emb",
      "re:^(?!(?:.*\\.)?(?:a|b)$).*$",
      "re:(.*\\.)?emb$"
    ],
    "config_groups": {
      "group_0": {
        "targets": [
          "Linear"
        ],
        "output_activations": null,
        "weights": {
          "num_bits": 8,
          "type": "int",
          "symmetric": true,
          "strategy": "channel",
          "dynamic": false,
          "group_size": null
        },
        "input_activations": {
          "num_bits": 8,
          "type": "int",
          "symmetric": true,
          "strategy": "token",
          "dynamic": true
        }
      }
    },
    "dequantize": true,
    "run_compressed": false
  }
}
)");
}

TEST(CompressedTensorsConfigTest, TakesAnyTextThatIsAnObject) {
  for (const char* text :
       {"{}", "{ }", "\xef\xbb\xbf{}", R"({"a":{}})", R"({"a\"b": "c"})",
        R"({"quantization_config": null, "b": 1})", R"({"a": 1, "a": 2})"}) {
    const auto config = Rewrite(text, SmallModel());
    ASSERT_TRUE(config.ok()) << text << config.status();
    const auto document = nlohmann::json::parse(*config);
    EXPECT_EQ(document["quantization_config"]["format"], "int-quantized")
        << *config;
    EXPECT_TRUE(config->starts_with("{")) << *config;
  }
}

TEST(CompressedTensorsConfigTest, TellsThePartsOfACompositeToo) {
  const auto config = Rewrite(
      R"({"text_config": {"model_type": "t", "quantization_config": null},
          "vision_config": {"model_type": "v", "deep": {"model_type": "d"}},
          "other": {"a": 1}, "model_type": "c"})",
      SmallModel());
  ASSERT_TRUE(config.ok()) << config.status();
  const auto document = nlohmann::json::parse(*config);
  const auto& quantization = document["quantization_config"];
  EXPECT_EQ(document["text_config"]["quantization_config"], quantization);
  EXPECT_EQ(document["vision_config"]["quantization_config"], quantization);
  EXPECT_EQ(document["vision_config"]["deep"]["quantization_config"],
            quantization);
  EXPECT_FALSE(document["other"].contains("quantization_config"));
}

TEST(CompressedTensorsConfigTest, NamesAGroupForExperts) {
  const std::vector<ExportTensor> tensors = {
      Tensor("layers.0.experts.1.up.weight", Dtype::kBF16, {4, 4}, true)};
  const auto groups = [&](const std::string& format) {
    const auto config = Rewrite("{}", tensors, format);
    return nlohmann::json::parse(
        *config)["quantization_config"]["config_groups"];
  };
  EXPECT_EQ(groups("compressed-tensors")["group_1"]["weights"]["type"],
            "float");
  EXPECT_FALSE(groups("pack-quantized").contains("group_1"));
}

// Transformers 5 fails on them when it is told to.
TEST(CompressedTensorsConfigTest, IsNotMultipliedOutBesideBuffers) {
  const auto dequantizes = [](const std::string& name,
                              std::vector<uint64_t> shape = {4}) {
    std::vector<ExportTensor> tensors = SmallModel();
    tensors.push_back(Tensor(name, Dtype::kBF16, std::move(shape), false));
    const auto config = Rewrite("{}", tensors);
    return nlohmann::json::parse(*config)["quantization_config"].contains(
        "dequantize");
  };
  EXPECT_FALSE(dequantizes("backbone.bn1.running_mean"));
  EXPECT_FALSE(dequantizes("criterion.empty_weight"));
  EXPECT_TRUE(dequantizes("attention.in_proj_weight", {4, 4}));
}

TEST(CompressedTensorsConfigTest, WeightOnlyLeavesActivations) {
  const auto config = Rewrite("{}", SmallModel(), "pack-quantized");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto quantization =
      nlohmann::json::parse(*config)["quantization_config"];
  EXPECT_EQ(quantization["format"], "pack-quantized");
  EXPECT_TRUE(
      quantization["config_groups"]["group_0"]["input_activations"].is_null());
}

TEST(CompressedTensorsConfigTest, RefusesConfigsItCannotExtend) {
  const std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string("[1]"), std::string("{"), std::string(),
        std::string(R"({"quantization_config": {}})"),
        std::string(R"({"text_config": {"quantization_config": {"a": 1}}})"),
        std::string("{\"name\": \"jos\xe9\"}"), "{\"a\":" + deep}) {
    const auto config = Rewrite(text, SmallModel());
    EXPECT_EQ(config.status().code(), absl::StatusCode::kFailedPrecondition)
        << text.substr(0, 40);
  }
}

TEST(CompressedTensorsConfigTest, RefusesScalesOfDifferentKinds) {
  std::vector<ExportTensor> tensors = SmallModel();
  tensors[4].strategy = codec::ScaleStrategy::kTensor;
  const auto config = Rewrite("{}", tensors);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ExportFormatTest, FindsFormatsByName) {
  ASSERT_TRUE(FindExportFormat("compressed-tensors").ok());
  const auto unknown = FindExportFormat("gguf");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.status().message()),
              HasSubstr("compressed-tensors, pack-quantized"));
}

}  // namespace
}  // namespace qstore::client
