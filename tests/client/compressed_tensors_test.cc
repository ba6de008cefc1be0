#include "client/export/compressed_tensors.h"

#include <map>
#include <string>
#include <vector>

#include "base/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

ExportTensor Tensor(const std::string& name, Dtype dtype,
                    std::vector<uint64_t> shape, bool quantized) {
  ExportTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.quantized = quantized;
  return tensor;
}

SafetensorsHeader HeaderOf(const std::vector<ExportTensor>& tensors) {
  SafetensorsHeader header;
  header.metadata["format"] = "pt";
  uint64_t next_bytes = 0;
  for (const ExportTensor& tensor : tensors) {
    const uint64_t size_bytes = TensorBytes(tensor.dtype, tensor.shape).value();
    header.tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                              next_bytes, next_bytes + size_bytes});
    next_bytes += size_bytes;
  }
  return header;
}

std::vector<ExportTensor> SmallModel() {
  return {Tensor("emb.weight", Dtype::kBF16, {5, 3}, false),
          Tensor("a.weight", Dtype::kBF16, {3, 7}, true),
          Tensor("a.bias", Dtype::kBF16, {3}, false),
          Tensor("ids", Dtype::kI64, {2}, false),
          Tensor("b.weight", Dtype::kBF16, {1, 1}, true)};
}

const ExportFormat& Format() { return *CompressedTensorsFormat(); }

TEST(CompressedTensorsTest, LaysOutAShard) {
  const std::vector<ExportTensor> tensors = SmallModel();
  const auto shard = Format().LayOutShard(HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  const ByteView header = shard->header;
  const auto json_bytes = ParseSafetensorsLength(header, shard->file_bytes);
  ASSERT_TRUE(json_bytes.ok()) << json_bytes.status();
  // The parser refuses holes and overlaps.
  const auto parsed = ParseSafetensorsHeader(header.subspan(8),
                                             shard->file_bytes - header.size());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->metadata.at("format"), "pt");
  std::map<std::string, TensorEntry> entries;
  for (const TensorEntry& entry : parsed->tensors) {
    entries[entry.name] = entry;
    EXPECT_EQ(entry.begin_bytes * 8 % DtypeBits(entry.dtype), 0u) << entry.name;
  }
  ASSERT_EQ(entries.size(), 7u);
  EXPECT_EQ(entries["a.weight"].dtype, Dtype::kI8);
  EXPECT_EQ(entries["a.weight"].shape, (std::vector<uint64_t>{3, 7}));
  EXPECT_EQ(entries["a.weight_scale"].dtype, Dtype::kF32);
  EXPECT_EQ(entries["a.weight_scale"].shape, (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(entries["b.weight_scale"].shape, (std::vector<uint64_t>{1, 1}));
  EXPECT_EQ(entries["emb.weight"].dtype, Dtype::kBF16);
  EXPECT_EQ(entries["ids"].dtype, Dtype::kI64);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorPlace& place = shard->places[i];
    EXPECT_EQ(place.offset_bytes,
              header.size() + entries[tensors[i].name].begin_bytes);
    EXPECT_EQ(place.quantized, tensors[i].quantized);
    if (!place.quantized) continue;
    EXPECT_EQ(place.scales_offset_bytes,
              header.size() + entries[tensors[i].name + "_scale"].begin_bytes);
  }
}

TEST(CompressedTensorsTest, LaysOutOtherScales) {
  std::vector<ExportTensor> tensors = {
      Tensor("t.weight", Dtype::kF32, {4, 8}, true),
      Tensor("g.weight", Dtype::kF32, {4, 8}, true)};
  tensors[0].strategy = codec::ScaleStrategy::kTensor;
  tensors[1].strategy = codec::ScaleStrategy::kGroup;
  tensors[1].group_size = 4;
  const auto shard = Format().LayOutShard(HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->file_bytes, shard->header.size() + 32 + 4 + 32 + 4 * 2 * 4);
  tensors[1].group_size = 3;
  const auto uneven = Format().LayOutShard(HeaderOf(tensors), tensors);
  EXPECT_EQ(uneven.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(uneven.status().message()), HasSubstr("g.weight"));
}

TEST(CompressedTensorsTest, RefusesATensorWhereAScaleMustGo) {
  const std::vector<ExportTensor> tensors = {
      Tensor("a.weight", Dtype::kF32, {2, 2}, true),
      Tensor("a.weight_scale", Dtype::kF32, {2}, false)};
  const auto shard = Format().LayOutShard(HeaderOf(tensors), tensors);
  EXPECT_EQ(shard.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(shard.status().message()),
              HasSubstr("a.weight_scale"));
}

TEST(CompressedTensorsTest, AddsToTheConfig) {
  const auto config = Format().RewriteConfig(
      R"({"z_first": 1, "a_second": [1.5, "\u00e9"]})", SmallModel());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config, R"({
  "z_first": 1,
  "a_second": [
    1.5,
    "é"
  ],
  "quantization_config": {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "kv_cache_scheme": null,
    "global_compression_ratio": null,
    "ignore": [
      "lm_head",
      "emb"
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
    }
  }
}
)");
}

TEST(CompressedTensorsTest, IgnoresOnlyUnquantizedMatrices) {
  const auto config = Format().RewriteConfig(
      "{}", {Tensor("a.weight", Dtype::kF16, {2, 2}, true),
             Tensor("lm_head.weight", Dtype::kF16, {2, 2}, false),
             Tensor("router.weight", Dtype::kF16, {2, 2}, false),
             Tensor("norm.weight", Dtype::kF16, {2}, false),
             Tensor("conv.weight", Dtype::kF16, {2, 2, 3}, false),
             Tensor("packed.weight", Dtype::kI32, {2, 2}, false),
             Tensor("table", Dtype::kF16, {2, 2}, false)});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(*config, HasSubstr(R"("ignore": [
      "lm_head",
      "router"
    ])"));
}

TEST(CompressedTensorsTest, RefusesConfigsItCannotExtend) {
  const std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string("[1]"), std::string("{"), std::string(),
        std::string(R"({"quantization_config": {}})"), "{\"a\":" + deep}) {
    const auto config = Format().RewriteConfig(text, SmallModel());
    EXPECT_EQ(config.status().code(), absl::StatusCode::kFailedPrecondition)
        << text.substr(0, 40);
  }
}

TEST(CompressedTensorsTest, RefusesScalesOfDifferentKinds) {
  std::vector<ExportTensor> tensors = SmallModel();
  tensors[4].strategy = codec::ScaleStrategy::kTensor;
  const auto config = Format().RewriteConfig("{}", tensors);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(CompressedTensorsTest, RewritesTheIndex) {
  const auto index = Format().RewriteIndex(
      R"({"metadata": {"total_size": 99, "kept": true}, "weight_map":
         {"a.weight": "m-1.safetensors", "emb.weight": "m-2.safetensors",
          "b.weight": "m-2.safetensors"}})",
      SmallModel());
  ASSERT_TRUE(index.ok()) << index.status();
  // a: 21 codes, 3 scales; emb: 15 values of 2 bytes; b: 1 code, 1 scale.
  EXPECT_EQ(*index, R"({
  "metadata": {
    "kept": true,
    "total_size": 68
  },
  "weight_map": {
    "a.weight": "m-1.safetensors",
    "a.weight_scale": "m-1.safetensors",
    "b.weight": "m-2.safetensors",
    "b.weight_scale": "m-2.safetensors",
    "emb.weight": "m-2.safetensors"
  }
}
)");
}

TEST(CompressedTensorsTest, RefusesIndexesItCannotExtend) {
  for (const char* text : {"{}", "[]", R"({"weight_map": []})", "nonsense"}) {
    EXPECT_EQ(Format().RewriteIndex(text, SmallModel()).status().code(),
              absl::StatusCode::kFailedPrecondition)
        << text;
  }
}

TEST(ExportFormatTest, FindsFormatsByName) {
  ASSERT_TRUE(FindExportFormat("compressed-tensors").ok());
  const auto unknown = FindExportFormat("gguf");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.status().message()),
              HasSubstr("compressed-tensors"));
}

}  // namespace
}  // namespace qstore::client
