#include "server/upload/quantization_policy.h"

#include <gtest/gtest.h>

namespace qstore::server {
namespace {

TensorEntry Tensor(const std::string& name, Dtype dtype = Dtype::kBF16,
                   std::vector<uint64_t> shape = {64, 32}) {
  return {name, dtype, std::move(shape), 0, 0};
}

// Alone in its file.
bool Selects(const QuantizationPolicy& policy, const TensorEntry& tensor) {
  const auto selected = policy.Select({tensor}, nullptr);
  EXPECT_TRUE(selected.ok()) << selected.status();
  return selected->front();
}

QuantizationPolicy Policy(const v1::QuantizationOptions& options = {}) {
  auto policy = QuantizationPolicy::Create(options);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *policy;
}

TEST(QuantizationPolicy, NamesOfRealModels) {
  const QuantizationPolicy policy = Policy();
  const struct {
    const char* name;
    bool quantized;
  } cases[] = {
      // BERT, MiniLM
      {"embeddings.word_embeddings.weight", false},
      {"bert.embeddings.position_embeddings.weight", false},
      {"embeddings.token_type_embeddings.weight", false},
      {"embeddings.LayerNorm.weight", false},
      {"encoder.layer.0.attention.self.query.weight", true},
      {"encoder.layer.11.attention.output.dense.weight", true},
      {"encoder.layer.3.attention.output.LayerNorm.weight", false},
      {"encoder.layer.3.intermediate.dense.weight", true},
      {"pooler.dense.weight", true},
      {"cls.predictions.decoder.weight", false},
      {"cls.predictions.transform.dense.weight", true},
      {"classifier.weight", false},
      // Llama, Mistral
      {"model.embed_tokens.weight", false},
      {"lm_head.weight", false},
      {"model.layers.0.self_attn.q_proj.weight", true},
      {"model.layers.0.mlp.gate_proj.weight", true},
      {"model.layers.0.mlp.down_proj.weight", true},
      {"model.layers.0.input_layernorm.weight", false},
      {"model.norm.weight", false},
      {"score.weight", false},
      // Qwen, Mixtral, DeepSeek, Llama 4 mixtures
      {"model.layers.0.mlp.gate.weight", false},
      {"model.layers.0.mlp.shared_expert_gate.weight", false},
      {"model.layers.0.mlp.shared_expert.gate_proj.weight", true},
      {"model.layers.0.mlp.experts.3.up_proj.weight", true},
      {"model.layers.0.block_sparse_moe.gate.weight", false},
      {"model.layers.0.block_sparse_moe.experts.0.w1.weight", true},
      {"model.layers.0.feed_forward.router.weight", false},
      {"transformer.blocks.0.ffn.router.layer.weight", false},
      // T5, BART
      {"shared.weight", false},
      {"model.shared.weight", false},
      {"encoder.embed_tokens.weight", false},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", true},
      {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
       false},
      {"decoder.block.0.layer.2.DenseReluDense.wi_0.weight", true},
      // ViT, CLIP
      {"vit.embeddings.patch_embeddings.projection.weight", false},
      {"vit.encoder.layer.0.attention.attention.key.weight", true},
      {"vision_model.embeddings.position_embedding.weight", false},
      {"visual_projection.weight", true},
      // GPT-2, Pythia
      {"transformer.wte.weight", false},
      {"wpe.weight", false},
      {"h.0.attn.c_attn.weight", false},
      {"h.0.mlp.c_fc.weight", false},
      {"h.0.mlp.c_proj.weight", false},
      {"h.0.ln_1.weight", false},
      {"gpt_neox.layers.0.attention.query_key_value.weight", true},
      {"embed_out.weight", false},
      // Adapters, and names that are not "weight"
      {"base_model.model.q_proj.lora_A.weight", false},
      {"weight", true},
      {"layer.bias", false},
      {"layer.weight_scale", false},
      {"layerweight", false},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Selects(policy, Tensor(test.name)), test.quantized) << test.name;
    EXPECT_FALSE(Selects(policy, Tensor(test.name, Dtype::kBF16, {64})));
  }
}

TEST(QuantizationPolicy, ShapesAndTypes) {
  const QuantizationPolicy policy = Policy();
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    EXPECT_TRUE(Selects(policy, Tensor("a.weight", dtype)));
  }
  for (const Dtype dtype :
       {Dtype::kF64, Dtype::kI8, Dtype::kF8E4M3, Dtype::kU8, Dtype::kI32}) {
    EXPECT_FALSE(Selects(policy, Tensor("a.weight", dtype)));
  }
  const auto selects = [&](std::vector<uint64_t> shape) {
    return Selects(policy, Tensor("a.weight", Dtype::kF16, std::move(shape)));
  };
  EXPECT_TRUE(selects({1, 1}));
  EXPECT_TRUE(selects({1, 1u << 20}));
  EXPECT_FALSE(selects({1, (1u << 20) + 1}));
  EXPECT_FALSE(selects({0, 8}));
  EXPECT_FALSE(selects({8, 0}));
  EXPECT_FALSE(selects({}));
  EXPECT_FALSE(selects({8}));
  EXPECT_FALSE(selects({2, 2, 2}));
}

TEST(QuantizationPolicy, PatternsOfTheRequest) {
  v1::QuantizationOptions options;
  options.add_include("*.mlp.*");
  options.add_exclude("*.0.*");
  QuantizationPolicy policy = Policy(options);
  EXPECT_TRUE(Selects(policy, Tensor("layers.1.mlp.up.weight")));
  EXPECT_FALSE(Selects(policy, Tensor("layers.1.attn.q.weight")));
  EXPECT_FALSE(Selects(policy, Tensor("layers.0.mlp.up.weight")));
  EXPECT_FALSE(Selects(policy, Tensor("layers.1.mlp.gate.weight")));

  options.set_replace_default_excludes(true);
  policy = Policy(options);
  EXPECT_TRUE(Selects(policy, Tensor("layers.1.mlp.gate.weight")));
  EXPECT_FALSE(Selects(policy, Tensor("layers.0.mlp.gate.weight")));

  options.set_quantizer("none");
  EXPECT_FALSE(Selects(Policy(options), Tensor("layers.1.mlp.up.weight")));
}

TEST(QuantizationPolicy, SelectionOfTheClient) {
  const QuantizationPolicy policy = Policy();
  const std::vector<TensorEntry> tensors = {
      Tensor("a.weight"), Tensor("lm_head.weight"),
      Tensor("b.bias", Dtype::kBF16, {64}), Tensor("c.weight")};
  v1::TensorSelection selection;
  const auto select = [&](std::string bits) {
    selection.set_bits(std::move(bits));
    return policy.Select(tensors, &selection);
  };
  EXPECT_EQ(select("\x0a").value(),
            (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(select("").value(), std::vector<bool>(4));
  const absl::Status bias = select("\x04").status();
  EXPECT_TRUE(absl::IsInvalidArgument(bias));
  EXPECT_NE(bias.message().find("b.bias"), absl::string_view::npos);
  EXPECT_TRUE(absl::IsInvalidArgument(select("\x10").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      select(std::string(100, '\0') + "\x01").status()));
  v1::QuantizationOptions none;
  none.set_quantizer("none");
  selection.set_bits("\x01");
  EXPECT_EQ(Policy(none).Select(tensors, &selection).value(),
            std::vector<bool>(4));
}

TEST(QuantizationPolicy, CoderByName) {
  EXPECT_EQ(Policy().coder(), codec::Int8Coder::kZstd);
  v1::QuantizationOptions options;
  options.set_int8_coder("zstd");
  EXPECT_EQ(Policy(options).coder(), codec::Int8Coder::kZstd);
  options.set_int8_coder("sliced");
  EXPECT_EQ(Policy(options).coder(), codec::Int8Coder::kSliced);
  options.set_int8_coder("lz4");
  const absl::Status status = QuantizationPolicy::Create(options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(),
            "unknown INT8 coder \"lz4\"; there are: zstd, sliced");
}

TEST(QuantizationPolicy, QuantizerByName) {
  EXPECT_EQ(Policy().quantizer(), &codec::kAbsmaxQuantizer);
  EXPECT_EQ(Policy().quantizer_name(), "absmax");
  v1::QuantizationOptions options;
  options.set_quantizer("absmax");
  EXPECT_EQ(Policy(options).quantizer(), &codec::kAbsmaxQuantizer);
  options.set_quantizer("none");
  EXPECT_EQ(Policy(options).quantizer(), nullptr);
  EXPECT_EQ(Policy(options).quantizer_name(), "none");
}

TEST(QuantizationPolicy, Refusals) {
  v1::QuantizationOptions options;
  options.set_quantizer("int4");
  const absl::Status unknown = QuantizationPolicy::Create(options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(unknown));
  EXPECT_EQ(unknown.message(),
            "unknown quantizer \"int4\"; there are: absmax, and none");
  options.Clear();
  options.add_include(std::string(257, '*'));
  EXPECT_TRUE(
      absl::IsInvalidArgument(QuantizationPolicy::Create(options).status()));
  options.Clear();
  for (int i = 0; i < 1001; ++i) options.add_exclude(std::string(5, 'x'));
  EXPECT_TRUE(
      absl::IsInvalidArgument(QuantizationPolicy::Create(options).status()));
}

}  // namespace
}  // namespace qstore::server
