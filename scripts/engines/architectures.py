"""The architectures that scripts/test-engines.sh tries, as tiny models.

A row is: name, model_type, class that is stored, inputs, arguments of the
configuration; then, where needed:

  load_as     class that loads both directories, when not the stored one
  dtype       dtype of the stored file
  gain        of the random linear layers, where attention is not scaled by itself
  no_int8     why an INT8 download may say no, or quantizes nothing
  upstream    {engine or (engine, format): why it cannot load such INT8 directories}
  not_made_by engines whose Transformers cannot save the model
  short       belongs to --short
"""

import dataclasses
from collections.abc import Callable

import inputs as i


@dataclasses.dataclass
class Architecture:
    name: str
    model_type: str
    stored_class: str
    inputs: Callable
    config: dict
    load_as: str | None = None
    dtype: str = "bfloat16"
    gain: float = 1.0
    no_int8: str | None = None
    upstream: dict = dataclasses.field(default_factory=dict)
    not_made_by: tuple = ()
    short: bool = False

    def expected_failure(self, engine, format_name):
        """Why this engine cannot load that format of it, or None."""
        return self.upstream.get((engine, format_name)) or self.upstream.get(engine)


# What most decoders call their sizes; a row adds to it or takes away (None).
_BASE = {"vocab_size": 128, "hidden_size": 64, "intermediate_size": 96,
         "num_hidden_layers": 2, "num_attention_heads": 4,
         "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
         "eos_token_id": 2}
_GQA = {**_BASE, "num_key_value_heads": 2, "head_dim": 16}


def _with(base, **changes):
    merged = {**base, **changes}
    return {key: value for key, value in merged.items() if value is not ...}


def _row(name, model_type, stored_class, inputs, config, **more):
    return Architecture(name, model_type, stored_class, inputs, config, **more)


def _decoder(name, stored_class, model_type=None, base=_GQA, inputs=i.text, row=None,
             **config):
    return _row(name, model_type or name, stored_class, inputs, _with(base, **config),
                **(row or {}))


def _encoder(name, prefix, model_type=None, row=None, **config):
    """The same encoder with several heads, and files of one loaded as another."""
    model_type = model_type or name
    sizes = _with(_BASE, **config)
    more = row or {}
    masked, classes = f"{prefix}ForMaskedLM", f"{prefix}ForSequenceClassification"
    return [
        _row(f"{name}-masked", model_type, masked, i.text, sizes, **more),
        _row(f"{name}-classes", model_type, classes, i.text, sizes,
             **{**more, "short": False}),
        _row(f"{name}-masked-as-base", model_type, masked, i.text, sizes,
             **{**more, "short": False, "load_as": f"{prefix}Model"}),
        _row(f"{name}-base-as-classes", model_type, f"{prefix}Model", i.text, sizes,
             **{**more, "short": False, "load_as": classes}),
    ]


_VIT = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 32, "patch_size": 8}

_SMALL_IDS = {"vocab_size": 128, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GPT2 = {"vocab_size": 128, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64,
         "bos_token_id": 1, "eos_token_id": 2}
_ROUTED = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1,
           "moe_intermediate_size": 48, "n_group": 1, "topk_group": 1,
           "first_k_dense_replace": 1, "norm_topk_prob": True}
_LATENT = {"kv_lora_rank": 32, "q_lora_rank": 32, "qk_nope_head_dim": 16,
           "qk_rope_head_dim": 8, "v_head_dim": 16, "num_key_value_heads": 4,
           "head_dim": 8}
_XLM = {"vocab_size": 128, "emb_dim": 64, "n_layers": 2, "n_heads": 4, "n_langs": 1,
        "max_position_embeddings": 64, "pad_token_id": 0, "bos_index": 1, "eos_index": 2,
        "pad_index": 0, "unk_index": 3, "mask_index": 5}
_XLNET = {**_SMALL_IDS, "d_model": 64, "n_layer": 2, "n_head": 4, "d_inner": 96}
_T5 = {"vocab_size": 128, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2,
       "num_heads": 4, "decoder_start_token_id": 0}
_BART = {**_SMALL_IDS, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4,
         "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "max_position_embeddings": 64,
         "decoder_start_token_id": 3, "forced_eos_token_id": None}
_WAV2VEC2 = {"vocab_size": 32, "hidden_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 4, "intermediate_size": 96, "conv_dim": [32, 32, 32],
             "conv_stride": [5, 4, 2], "conv_kernel": [10, 3, 3],
             "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
_INITIALIZES = "initializes INT8 weights of inner modules, though the file has them"
_NO_LINEAR = "it has convolutions and codebooks, and no linear layers"
_DETR = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
         "backbone_config": {"model_type": "resnet", "embedding_size": 16,
                             "hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 1, 1],
                             "layer_type": "basic",
                             "out_features": ["stage3", "stage4"]},
         "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4,
         "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "num_queries": 6}
_MROPE = {"rope_type": "default", "mrope_section": [2, 3, 3]}
_QWEN_TOKENS = {"image_token_id": 127, "video_token_id": 126, "vision_start_token_id": 125,
                "vision_end_token_id": 124}
_CLIP = {
    "text_config": {"vocab_size": 128, "hidden_size": 64, "intermediate_size": 96,
                    "num_hidden_layers": 2, "num_attention_heads": 4,
                    "max_position_embeddings": 32, "projection_dim": 48,
                    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    "vision_config": {**_VIT, "projection_dim": 48},
    "projection_dim": 48}
_LLAVA = {"text_config": {"model_type": "llama", **_GQA},
          "vision_config": {"model_type": "clip_vision_model", **_VIT},
          "image_token_id": 127, "image_token_index": 127, "vision_feature_layer": -1}

DECODERS = [
    _decoder("llama", "LlamaForCausalLM", row={"short": True}),
    _decoder("llama-tied", "LlamaForCausalLM", "llama", tie_word_embeddings=True,
             row={"dtype": "float16"}),
    _decoder("llama-float32", "LlamaForCausalLM", "llama", row={"dtype": "float32"}),
    _decoder("llama-classes", "LlamaForSequenceClassification", "llama"),
    _decoder("llama-as-classes", "LlamaForCausalLM", "llama",
             row={"load_as": "LlamaForSequenceClassification"}),
    _decoder("llama-as-base", "LlamaForCausalLM", "llama", row={"load_as": "AutoModel"}),
    _decoder("mistral", "MistralForCausalLM"),
    _decoder("qwen2-tied", "Qwen2ForCausalLM", "qwen2", tie_word_embeddings=True,
             row={"short": True}),
    _decoder("qwen3", "Qwen3ForCausalLM", row={"dtype": "float16"}),
    _decoder("gemma", "GemmaForCausalLM"),
    _decoder("gemma2", "Gemma2ForCausalLM", query_pre_attn_scalar=16),
    _decoder("gemma3", "Gemma3ForCausalLM", "gemma3_text", query_pre_attn_scalar=16),
    _decoder("phi", "PhiForCausalLM"),
    _decoder("phi3", "Phi3ForCausalLM"),
    _row("gpt2", "gpt2", "GPT2LMHeadModel", i.text, _GPT2,
         no_int8="Conv1D keeps [in, out]", short=True),
    _row("gpt_neo", "gpt_neo", "GPTNeoForCausalLM", i.text,
         {**_SMALL_IDS, "hidden_size": 64, "num_layers": 2, "num_heads": 4,
          "attention_types": [[["global", "local"], 1]], "max_position_embeddings": 64},
         gain=0.5),
    _decoder("gpt_neox", "GPTNeoXForCausalLM", base=_BASE),
    _decoder("gpt_neox-tied", "GPTNeoXForCausalLM", "gpt_neox", base=_BASE,
             tie_word_embeddings=True),
    _row("gptj", "gptj", "GPTJForCausalLM", i.text, {**_GPT2, "rotary_dim": 8}),
    _row("codegen", "codegen", "CodeGenForCausalLM", i.text, {**_GPT2, "rotary_dim": 8}),
    _row("gpt_bigcode", "gpt_bigcode", "GPTBigCodeForCausalLM", i.text, _GPT2),
    _decoder("starcoder2", "Starcoder2ForCausalLM"),
    _decoder("opt", "OPTForCausalLM", base=_BASE, ffn_dim=96, word_embed_proj_dim=64,
             row={"short": True}),
    _row("bloom", "bloom", "BloomForCausalLM", i.text,
         {**_SMALL_IDS, "hidden_size": 64, "n_layer": 2, "n_head": 4}),
    _decoder("falcon", "FalconForCausalLM", base=_BASE),
    _row("mpt", "mpt", "MptForCausalLM", i.text,
         {**_SMALL_IDS, "d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 64}),
    _row("ctrl", "ctrl", "CTRLLMHeadModel", i.text,
         {**_SMALL_IDS, "n_embd": 64, "dff": 96, "n_layer": 2, "n_head": 4,
          "n_positions": 64}, dtype="float32"),
    _decoder("olmo", "OlmoForCausalLM"),
    _decoder("olmo2", "Olmo2ForCausalLM"),
    _decoder("stablelm", "StableLmForCausalLM"),
    _decoder("cohere", "CohereForCausalLM", logit_scale=1.0),
    _decoder("granite", "GraniteForCausalLM", attention_multiplier=0.25),
    _decoder("smollm3", "SmolLM3ForCausalLM"),
    _decoder("nemotron", "NemotronForCausalLM"),
    _decoder("glm4", "Glm4ForCausalLM"),
    _decoder("biogpt", "BioGptForCausalLM", base=_BASE),
    _decoder("trocr", "TrOCRForCausalLM", base=_SMALL_IDS, inputs=i.text, d_model=64,
             decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=96,
             max_position_embeddings=64, cross_attention_hidden_size=48, is_decoder=True),
]

RECURRENT = [
    _decoder("mamba", "MambaForCausalLM", base=_BASE, state_size=8),
    _decoder("mamba2", "Mamba2ForCausalLM", base=_BASE, state_size=8, num_heads=8,
             head_dim=16, n_groups=2, chunk_size=4),
    _decoder("falcon_mamba", "FalconMambaForCausalLM", base=_BASE, state_size=8),
    _decoder("recurrent_gemma", "RecurrentGemmaForCausalLM", num_hidden_layers=3,
             lru_width=64, attention_window_size=16,
             row={"upstream": {"transformers4": _INITIALIZES}}),
    _decoder("jamba", "JambaForCausalLM", num_hidden_layers=4, num_experts=4,
             attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2,
             expert_layer_offset=1, mamba_d_state=8, mamba_dt_rank=8,
             use_mamba_kernels=False, head_dim=...),
    _decoder("zamba2", "Zamba2ForCausalLM", base=_BASE, num_hidden_layers=6,
             mamba_d_state=8, n_mamba_heads=8, mamba_headdim=16, chunk_size=4,
             layers_block_type=["mamba", "hybrid"] * 3, num_mem_blocks=1,
             use_mamba_kernels=False, adapter_rank=8, num_logits_to_keep=4,
             row={"not_made_by": ("transformers4",)}),
    _row("rwkv", "rwkv", "RwkvForCausalLM", i.ids_only,
         {**_SMALL_IDS, "hidden_size": 64, "attention_hidden_size": 64,
          "intermediate_size": 96, "num_hidden_layers": 2, "context_length": 64}),
]

MIXTURES = [
    _decoder("mixtral", "MixtralForCausalLM", num_local_experts=4, num_experts_per_tok=2,
             row={"short": True}),
    _decoder("qwen2_moe", "Qwen2MoeForCausalLM", num_experts=4, num_experts_per_tok=2,
             moe_intermediate_size=48, shared_expert_intermediate_size=48,
             decoder_sparse_step=1, mlp_only_layers=[]),
    _decoder("qwen3_moe", "Qwen3MoeForCausalLM", num_experts=4, num_experts_per_tok=2,
             moe_intermediate_size=48, decoder_sparse_step=1, mlp_only_layers=[]),
    _decoder("qwen3_next", "Qwen3NextForCausalLM", num_experts=4, num_experts_per_tok=2,
             moe_intermediate_size=48, shared_expert_intermediate_size=48,
             decoder_sparse_step=1, mlp_only_layers=[], linear_key_head_dim=16,
             linear_value_head_dim=16, linear_num_key_heads=2, linear_num_value_heads=4,
             layer_types=["linear_attention", "full_attention"]),
    _decoder("olmoe", "OlmoeForCausalLM", num_experts=4, num_experts_per_tok=2),
    _decoder("phimoe", "PhimoeForCausalLM", num_local_experts=4, num_experts_per_tok=2),
    _decoder("granitemoe", "GraniteMoeForCausalLM", num_local_experts=4,
             num_experts_per_tok=2, attention_multiplier=0.25, row={"short": True}),
    _decoder("gpt_oss", "GptOssForCausalLM", num_local_experts=4, num_experts_per_tok=2),
    _decoder("llama4", "Llama4ForCausalLM", "llama4_text", num_local_experts=4,
             intermediate_size_mlp=96, num_experts_per_tok=1,
             interleave_moe_layer_step=2, attention_chunk_size=32,
             row={"no_int8": "Transformers wants its experts split and transposed"}),
    _decoder("minimax", "MiniMaxForCausalLM", num_local_experts=4, num_experts_per_tok=2,
             layer_types=["linear_attention", "full_attention"], block_size=8),
    _decoder("ernie4_5_moe", "Ernie4_5_MoeForCausalLM", moe_num_experts=4, moe_k=2,
             moe_intermediate_size=48, moe_num_shared_experts=1, moe_layer_start_index=0),
    _decoder("dots1", "Dots1ForCausalLM", **_ROUTED),
    _decoder("glm4_moe", "Glm4MoeForCausalLM", **_ROUTED),
    _decoder("deepseek_v2", "DeepseekV2ForCausalLM", **_ROUTED, **_LATENT),
    _decoder("deepseek_v3", "DeepseekV3ForCausalLM", **_ROUTED, **_LATENT),
]

ENCODERS = [
    *_encoder("bert", "Bert", row={"short": True}),
    *_encoder("roberta", "Roberta"),
    *_encoder("distilbert", "DistilBert", dim=64, n_heads=4, n_layers=2, hidden_dim=96),
    *_encoder("albert", "Albert", embedding_size=32),
    *_encoder("electra", "Electra", embedding_size=32),
    *_encoder("mpnet", "MPNet"),
    *_encoder("modernbert", "ModernBert",
              row={"upstream": {("transformers4", "pack-quantized"): _INITIALIZES}},
              sep_token_id=3, cls_token_id=4,
              global_attn_every_n_layers=2, local_attention=8),
    *_encoder("esm", "Esm", mask_token_id=5, position_embedding_type="rotary",
              token_dropout=False),
    *_encoder("deberta_v2", "DebertaV2", "deberta-v2", relative_attention=True,
              pos_att_type=["p2c", "c2p"], position_buckets=8),
    *_encoder("big_bird", "BigBird", attention_type="original_full"),
    *_encoder("longformer", "Longformer", attention_window=[4, 4]),
    _row("xlm", "xlm", "XLMWithLMHeadModel", i.text, _XLM),
    _row("xlm-classes", "xlm", "XLMForSequenceClassification", i.text, _XLM),
    _row("xlm-as-base", "xlm", "XLMWithLMHeadModel", i.text, _XLM, load_as="XLMModel"),
    _row("xlnet", "xlnet", "XLNetLMHeadModel", i.text, _XLNET,
         dtype="float32"),
    _row("xlnet-as-base", "xlnet", "XLNetLMHeadModel", i.text, _XLNET,
         dtype="float32", load_as="XLNetModel"),
]

SEQUENCE_TO_SEQUENCE = [
    _row("t5", "t5", "T5ForConditionalGeneration", i.text_to_text, _T5, gain=0.5),
    _row("t5-gated", "t5", "T5ForConditionalGeneration", i.text_to_text,
         {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
         gain=0.5),
    _row("t5-encoder-part", "t5", "T5ForConditionalGeneration", i.text, _T5, gain=0.5,
         load_as="T5EncoderModel"),
    _row("bart", "bart", "BartForConditionalGeneration", i.text_to_text, _BART),
    _row("bart-classes", "bart", "BartForConditionalGeneration", i.text_with_end, _BART,
         load_as="BartForSequenceClassification"),
    _row("mbart", "mbart", "MBartForConditionalGeneration", i.text_to_text, _BART),
    _row("marian", "marian", "MarianMTModel", i.text_to_text,
         {**_BART, "decoder_vocab_size": 128}),
    _row("pegasus", "pegasus", "PegasusForConditionalGeneration", i.text_to_text, _BART),
    _row("m2m_100", "m2m_100", "M2M100ForConditionalGeneration", i.text_to_text, _BART),
    _row("whisper", "whisper", "WhisperForConditionalGeneration", i.spectrogram,
         {**_BART, "num_mel_bins": 16, "max_source_positions": 24,
          "max_target_positions": 32}, short=True),
    _row("moonshine", "moonshine", "MoonshineForConditionalGeneration",
         i.waveform_to_text(4000),
         {**_SMALL_IDS, "hidden_size": 64, "intermediate_size": 96,
          "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 2,
          "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
          "decoder_start_token_id": 1, "max_position_embeddings": 64}),
]

AUDIO = [
    _row("wav2vec2", "wav2vec2", "Wav2Vec2ForCTC", i.waveform(1600), _WAV2VEC2),
    _row("wav2vec2-as-base", "wav2vec2", "Wav2Vec2ForCTC", i.waveform(1600), _WAV2VEC2,
         load_as="Wav2Vec2Model"),
    _row("hubert", "hubert", "HubertForCTC", i.waveform(1600), _WAV2VEC2),
    _row("encodec", "encodec", "EncodecModel", i.waveform(640, channels=1),
         {"num_filters": 8, "hidden_size": 32, "codebook_size": 64, "num_lstm_layers": 1,
          "upsampling_ratios": [4, 2], "target_bandwidths": [24.0],
          "sampling_rate": 16000}, dtype="float32", no_int8=_NO_LINEAR),
    _row("dac", "dac", "DacModel", i.waveform(640, channels=1),
         {"encoder_hidden_size": 16, "decoder_hidden_size": 64, "hidden_size": 64,
          "downsampling_ratios": [2, 4], "upsampling_ratios": [4, 2], "n_codebooks": 2,
          "codebook_size": 64, "codebook_dim": 8}, dtype="float32", no_int8=_NO_LINEAR),
]

VISION = [
    _row("vit", "vit", "ViTForImageClassification", i.image, _VIT, short=True),
    _row("vit-as-base", "vit", "ViTForImageClassification", i.image, _VIT,
         load_as="ViTModel"),
    _row("vit-base-as-classes", "vit", "ViTModel", i.image, _VIT,
         load_as="ViTForImageClassification"),
    _row("deit", "deit", "DeiTForImageClassification", i.image, _VIT),
    _row("dinov2", "dinov2", "Dinov2Model", i.image,
         _with(_VIT, mlp_ratio=2, layerscale_value=0.5),
         no_int8="Transformers 5 breaks with any compressed-tensors configuration"),
    _row("swin", "swin", "SwinForImageClassification", i.image,
         {"image_size": 32, "patch_size": 4, "embed_dim": 32, "depths": [1, 1],
          "num_heads": [2, 4], "window_size": 4}),
    _row("convnext", "convnext", "ConvNextForImageClassification", i.image_of(32),
         {"num_channels": 3, "patch_size": 4, "hidden_sizes": [16, 32, 48, 64],
          "depths": [1, 1, 1, 1], "layer_scale_init_value": 0.5}),
    _row("segformer", "segformer", "SegformerForSemanticSegmentation", i.image_of(64),
         {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1],
          "num_attention_heads": [1, 2, 2, 4], "decoder_hidden_size": 32}),
    _row("detr", "detr", "DetrForObjectDetection", i.image_of(64), _DETR,
         dtype="float32"),
    _row("deformable_detr", "deformable_detr", "DeformableDetrForObjectDetection",
         i.image_of(64),
         {**_DETR, "num_feature_levels": 2, "encoder_n_points": 2, "decoder_n_points": 2,
          "with_box_refine": True, "disable_custom_kernels": True}, dtype="float32",
         not_made_by=("transformers4",),
         upstream={("transformers5", "pack-quantized"): _INITIALIZES}),
    _row("mask2former", "mask2former", "Mask2FormerForUniversalSegmentation",
         i.image_of(64),
         {"backbone_config": {"model_type": "swin", "image_size": 64, "patch_size": 4,
                              "embed_dim": 16, "depths": [1, 1, 1, 1],
                              "num_heads": [1, 2, 2, 4], "window_size": 4,
                              "out_features": ["stage1", "stage2", "stage3", "stage4"]},
          "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32,
          "encoder_feedforward_dim": 48, "encoder_layers": 1, "decoder_layers": 3,
          "num_attention_heads": 4, "dim_feedforward": 48, "num_queries": 6},
         dtype="float32", gain=0.2,  # its masks are thresholds
         upstream={("transformers5", "pack-quantized"): _INITIALIZES}),
    _row("sam", "sam", "SamModel", i.image_and_points(64),
         {"vision_config": {"hidden_size": 32, "output_channels": 32, "image_size": 64,
                            "patch_size": 8, "num_hidden_layers": 2, "mlp_dim": 48,
                            "num_attention_heads": 4, "num_pos_feats": 16,
                            "global_attn_indexes": [1], "window_size": 4},
          "prompt_encoder_config": {"hidden_size": 32, "image_size": 64, "patch_size": 8,
                                    "image_embedding_size": 8, "mask_input_channels": 8},
          "mask_decoder_config": {"hidden_size": 32, "mlp_dim": 48,
                                  "num_hidden_layers": 2, "num_attention_heads": 4,
                                  "iou_head_hidden_dim": 32}}),
]

MIXED = [
    _row("clip", "clip", "CLIPModel", i.text_and_image, _CLIP),
    _row("clip-text-part", "clip", "CLIPModel", i.text, _CLIP, load_as="CLIPTextModel"),
    _row("clip-vision-part", "clip", "CLIPModel", i.image_part, _CLIP,
         load_as="CLIPVisionModel"),
    _row("siglip", "siglip", "SiglipModel", i.text_and_image, _CLIP),
    _row("siglip-text-part", "siglip", "SiglipModel", i.text, _CLIP,
         load_as="SiglipTextModel"),
    _row("siglip-vision-part", "siglip", "SiglipModel", i.image_part, _CLIP,
         load_as="SiglipVisionModel"),
    _row("blip", "blip", "BlipForConditionalGeneration", i.text_and_image,
         {"text_config": {**_BASE, "encoder_hidden_size": 64},
          "vision_config": _VIT, "projection_dim": 48}),
    _row("blip-2", "blip-2", "Blip2ForConditionalGeneration", i.image_tokens(127, 4, 32),
         {"vision_config": _VIT,
          "qformer_config": {**_BASE, "encoder_hidden_size": 64},
          "text_config": {"model_type": "opt", **_BASE, "ffn_dim": 96,
                          "word_embed_proj_dim": 64},
          "num_query_tokens": 4, "image_token_index": 127, "image_token_id": 127}),
    _row("llava", "llava", "LlavaForConditionalGeneration",
         i.image_tokens(127, 16, 32), _LLAVA, short=True),
    _row("paligemma", "paligemma", "PaliGemmaForConditionalGeneration",
         i.image_tokens(127, 16, 32),
         {"text_config": {"model_type": "gemma", **_GQA},
          "vision_config": {"model_type": "siglip_vision_model", **_VIT,
                            "vision_use_head": False},
          "projection_dim": 64, "image_token_id": 127, "image_token_index": 127}),
    _row("idefics3", "idefics3", "Idefics3ForConditionalGeneration",
         i.image_tokens(127, 4, 32, frames=True),
         {"text_config": {"model_type": "llama", **_GQA}, "vision_config": _VIT,
          "scale_factor": 2, "image_token_id": 127, "pad_token_id": 0}),
    _row("qwen2_5_vl", "qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration",
         i.qwen_image(3 * 2 * 4 * 4),
         {"text_config": {**_GQA, "rope_scaling": _MROPE},
          "vision_config": {"depth": 2, "hidden_size": 64, "out_hidden_size": 64,
                            "intermediate_size": 96, "num_heads": 4, "patch_size": 4,
                            "spatial_merge_size": 2, "temporal_patch_size": 2,
                            "window_size": 16, "fullatt_block_indexes": [1]},
          **_QWEN_TOKENS}),
    _row("qwen3_vl_moe", "qwen3_vl_moe", "Qwen3VLMoeForConditionalGeneration",
         i.qwen_image(3 * 2 * 4 * 4),
         {"text_config": {**_GQA, "num_experts": 4, "num_experts_per_tok": 2,
                          "moe_intermediate_size": 48, "decoder_sparse_step": 1,
                          "mlp_only_layers": [],
                          "rope_scaling": {**_MROPE, "mrope_interleaved": True}},
          "vision_config": {"depth": 2, "hidden_size": 64, "out_hidden_size": 64,
                            "intermediate_size": 96, "num_heads": 4, "patch_size": 4,
                            "spatial_merge_size": 2, "temporal_patch_size": 2,
                            "num_position_embeddings": 16, "in_channels": 3,
                            "deepstack_visual_indexes": [0]},
          **_QWEN_TOKENS}),
]

ALL = [*DECODERS, *RECURRENT, *MIXTURES, *ENCODERS, *SEQUENCE_TO_SEQUENCE, *AUDIO, *VISION,
       *MIXED]

# For vLLM: sizes that its kernels take.
_WIDE = {**_GQA, "hidden_size": 128, "intermediate_size": 256, "head_dim": 32}
_WIDE_MOE = {**_WIDE, "num_experts_per_tok": 2}

VLLM = [
    _decoder("llama", "LlamaForCausalLM", base=_WIDE),
    _decoder("qwen2-tied", "Qwen2ForCausalLM", "qwen2", base=_WIDE,
             tie_word_embeddings=True),
    _decoder("opt", "OPTForCausalLM", base=_WIDE, ffn_dim=256, word_embed_proj_dim=128,
             head_dim=..., num_key_value_heads=...),
    _decoder("mixtral", "MixtralForCausalLM", base=_WIDE_MOE, num_local_experts=4),
    _decoder("qwen3_moe", "Qwen3MoeForCausalLM", base=_WIDE_MOE, num_experts=4,
             moe_intermediate_size=128, decoder_sparse_step=1, mlp_only_layers=[]),
    _decoder("granitemoe", "GraniteMoeForCausalLM", base=_WIDE_MOE, num_local_experts=4,
             attention_multiplier=0.18),
    _decoder("gpt_oss", "GptOssForCausalLM", base=_WIDE_MOE, num_local_experts=4,
             layer_types=["full_attention", "full_attention"]),
]
