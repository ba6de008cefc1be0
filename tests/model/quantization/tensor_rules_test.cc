#include "model/quantization/tensor_rules.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/model/quantization/weights.h"

namespace qstore::model {
namespace {

// The rule that leaves each tensor, among all of them; "" for none.
std::vector<std::string> RulesFor(const std::vector<TensorEntry>& tensors,
                                  TensorGroup::ConfigFacts facts = {}) {
  std::vector<const TensorEntry*> pointers;
  pointers.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) pointers.push_back(&tensor);
  const TensorGroup group(pointers, std::move(facts));
  std::vector<std::string> rules;
  for (const TensorEntry& tensor : tensors) {
    const TensorRule* const rule = FindTensorRule(tensor, group);
    rules.emplace_back(rule == nullptr ? "" : rule->name);
  }
  return rules;
}

using Names = std::vector<std::string>;

TEST(TensorRulesTest, EveryRuleLeavesSomething) {
  const std::vector<TensorEntry> tensors = {
      Tensor("layers.0.f.weight", {4, 4}, Dtype::kF64),
      Tensor("layers.0.a.bias", {4}),
      Tensor("layers.0.e.weight", {0, 4}),
      Tensor("layers.0.w.up.weight", {1, (1u << 20) + 1}),
      Tensor("layers.0.in_proj_weight"),
      Tensor("model.embed_tokens.weight"),
      Tensor("lm_head.weight"),
      Tensor("strange.weight", {1000, 8}),
      Tensor("layers.0.norm.weight"),
      Tensor("layers.0.mlp.gate.weight"),
      Tensor("layers.0.q.lora_A.weight"),
      Tensor("layers.0.t.weight", {4, 8}),
      Tensor("layers.0.t.bias", {8}),
      Tensor("layers.0.attn.c_attn.weight"),
      Tensor("layers.0.in_proj_weight", {4, 4}),
      Tensor("layers.0.out_proj.weight"),
      Tensor("layers.0.mixer.conv1d.weight", {4, 1, 4}),
      Tensor("layers.0.mixer.dt_proj.weight"),
      Tensor("layers.0.shared_transformer.up.weight"),
      Tensor("layers.0.attn.Wqkv.weight"),
      Tensor("projector.weight"),
      Tensor("layers.0.mlp.up.weight")};
  const std::vector<std::string> rules = RulesFor(
      tensors, {.vocabulary_sizes = {1000}, .model_types = {"nomic_bert"}});
  EXPECT_EQ(rules.back(), "");
  const std::set<std::string> seen(rules.begin(), rules.end());
  for (const TensorRule& rule : TensorRules()) {
    EXPECT_TRUE(seen.contains(rule.name)) << rule.name;
  }
}

TEST(TensorRulesTest, LinearLayersOfManyModels) {
  for (const char* name :
       {"encoder.layer.0.attention.self.query.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.mlp.experts.3.up_proj.weight",
        "model.layers.0.block_sparse_moe.experts.0.w1.weight",
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        "vit.encoder.layer.0.attention.attention.key.weight",
        "gpt_neox.layers.0.attention.query_key_value.weight",
        "transformer.h.0.multi_head_attention.Wq.weight",
        "transformer.blocks.0.attn.Wqkv.weight",
        "backbone.layers.0.mixer.in_proj.weight",
        "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight",
        "model.layers.0.linear_attn.in_proj_qkvz.weight",
        "roberta_prelayernorm.encoder.layer.0.output.dense.weight"}) {
    EXPECT_EQ(RulesFor({Tensor(name)}), Names{""}) << name;
  }
}

TEST(TensorRulesTest, LookedUpUnderManyNames) {
  for (const char* name :
       {"mask_decoder.iou_token.weight", "mask_decoder.mask_tokens.weight",
        "mask_decoder.obj_score_token.weight", "hq_token.weight",
        "presence_token.weight", "audio_bos_eos_token.weight",
        "quantizer.quantizers.0.codebook.weight", "layers.0.pos_emb.weight",
        "model.transformer_module.queries_features.weight", "query_feat.weight",
        "rwkv.emb.weight", "segment_emb.0.weight",
        "graph_encoder.atom_encoder.weight", "transformer.w.weight",
        "objective.weight", "a.freq_emb.weight", "layers.0.rel_pos_bias.weight",
        "position_embedding_table.weight"}) {
    EXPECT_EQ(RulesFor({Tensor(name)}), Names{"embedding"}) << name;
  }
}

TEST(TensorRulesTest, HeadsUnderManyNames) {
  for (const char* name : {"lm_head.weight",
                           "output.weight",
                           "transformer.output_layer.weight",
                           "head.weight",
                           "model.transformer.ff_out.weight",
                           "proj_out.weight",
                           "pred_layer.proj.weight",
                           "unembed.weight",
                           "classifier.weight",
                           "score.weight",
                           "generator_lm_head.weight",
                           "output_projection.weight",
                           "vocab_projector.weight",
                           "cls.predictions.decoder.weight",
                           "lm_heads.0.weight",
                           "mtp_heads.0.proj.weight",
                           "qa_outputs.weight",
                           "cls.seq_relationship.weight",
                           "classification_head.dense.weight",
                           "ctc_head.weight"}) {
    EXPECT_EQ(RulesFor({Tensor(name)}), Names{"head"}) << name;
  }
}

// By its rows, whatever it is called.
TEST(TensorRulesTest, RowsOfTheVocabularyAndOfExperts) {
  const TensorGroup::ConfigFacts facts = {.vocabulary_sizes = {64},
                                          .expert_counts = {8}};
  EXPECT_EQ(RulesFor({Tensor("model.to_words.weight", {64, 32}),
                      Tensor("layers.0.up.weight", {64, 32}),
                      Tensor("layers.0.moe_gate.weight", {8, 32}),
                      Tensor("layers.0.gate_proj.weight", {16, 32})},
                     facts),
            (Names{"vocabulary", "", "router", ""}));
}

TEST(TensorRulesTest, TheBiasTellsConv1dFromLinear) {
  // GPT-2: [in, out].
  EXPECT_EQ(RulesFor({Tensor("h.0.attn.c_attn.weight", {32, 96}),
                      Tensor("h.0.attn.c_attn.bias", {96}),
                      Tensor("h.0.attn.c_proj.weight", {32, 32}),
                      Tensor("h.0.attn.c_proj.bias", {32})}),
            (Names{"transposed", "rank", "conv1d", "rank"}));
  // StarCoder: [out, in] under the same names; a square one goes with the rest.
  EXPECT_EQ(RulesFor({Tensor("h.0.attn.c_attn.weight", {96, 32}),
                      Tensor("h.0.attn.c_attn.bias", {96}),
                      Tensor("h.0.attn.c_proj.weight", {32, 32}),
                      Tensor("h.0.attn.c_proj.bias", {32})}),
            (Names{"", "rank", "", "rank"}));
  // Nothing tells.
  EXPECT_EQ(RulesFor({Tensor("h.0.mlp.c_fc.weight", {96, 32})}),
            Names{"conv1d"});
  // Any layer that is kept so.
  EXPECT_EQ(RulesFor({Tensor("h.0.any.weight", {32, 96}),
                      Tensor("h.0.any.bias", {96})}),
            (Names{"transposed", "rank"}));
}

TEST(TensorRulesTest, WhatIsReadDirectly) {
  EXPECT_EQ(RulesFor({Tensor("layers.0.attention.in_proj_weight", {96, 32}),
                      Tensor("layers.0.attention.out_proj.weight", {32, 32}),
                      Tensor("layers.0.self_attn.out_proj.weight", {32, 32})}),
            (Names{"name", "attention", ""}));
  EXPECT_EQ(RulesFor({Tensor("layers.0.mixer.conv1d.weight", {64, 1, 4}),
                      Tensor("layers.0.mixer.out_proj.weight"),
                      Tensor("layers.0.mixer.dt_proj.weight"),
                      Tensor("layers.0.mixer.in_proj.weight")}),
            (Names{"rank", "mixer", "mixer", ""}));
}

TEST(TensorRulesTest, OutsideOfNumberedLayers) {
  EXPECT_EQ(
      RulesFor({Tensor("pooler.dense.weight"), Tensor("projector.0.weight"),
                Tensor("encoder.layer.0.output.dense.weight")}),
      (Names{"outside", "outside", ""}));
  // A model that has none.
  EXPECT_EQ(RulesFor({Tensor("first.weight"), Tensor("second.weight")}),
            (Names{"", ""}));
  EXPECT_TRUE(InNumberedLayer("0.q"));
  EXPECT_TRUE(InNumberedLayer("a.12.b.c"));
  EXPECT_FALSE(InNumberedLayer("a.12"));
  EXPECT_FALSE(InNumberedLayer("layer1.b"));
  EXPECT_FALSE(InNumberedLayer(""));
}

TEST(TensorRulesTest, DefaultsCanBeSwitchedOff) {
  const TensorEntry head = Tensor("lm_head.weight");
  const TensorEntry vector = Tensor("norm.weight", {8});
  const TensorGroup group({&head, &vector}, {});
  EXPECT_NE(FindTensorRule(head, group), nullptr);
  EXPECT_EQ(FindTensorRule(head, group, /*with_defaults=*/false), nullptr);
  EXPECT_NE(FindTensorRule(vector, group, /*with_defaults=*/false), nullptr);
}

}  // namespace
}  // namespace qstore::model
