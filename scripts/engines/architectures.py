"""The architectures that scripts/test-engines.sh tries, as tiny models.

A row is: name, model_type, class that is stored, inputs, arguments of the
configuration; then, where needed:

  load_as     class that loads both directories, when not the stored one
  dtype       dtype of the stored file
  no_int8     why an INT8 download may say no, or quantizes nothing
  upstream    {engine: why that engine cannot load any such INT8 directory}
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
    no_int8: str | None = None
    upstream: dict = dataclasses.field(default_factory=dict)
    short: bool = False


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

DECODERS = [
    _decoder("llama", "LlamaForCausalLM", row={"short": True}),
    _decoder("llama-tied", "LlamaForCausalLM", "llama", tie_word_embeddings=True,
             row={"dtype": "float16"}),
    _decoder("llama-float32", "LlamaForCausalLM", "llama", row={"dtype": "float32"}),
    _decoder("qwen2-tied", "Qwen2ForCausalLM", "qwen2", tie_word_embeddings=True,
             row={"short": True}),
    _decoder("qwen3", "Qwen3ForCausalLM"),
    _decoder("gemma2", "Gemma2ForCausalLM", query_pre_attn_scalar=16),
    _row("gpt2", "gpt2", "GPT2LMHeadModel", i.text,
         {"vocab_size": 128, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64,
          "bos_token_id": 1, "eos_token_id": 2},
         no_int8="Conv1D keeps [in, out]", short=True),
    _decoder("opt", "OPTForCausalLM", base=_BASE, ffn_dim=96, word_embed_proj_dim=64,
             row={"short": True}),
]

MIXTURES = [
    _decoder("mixtral", "MixtralForCausalLM", num_local_experts=4, num_experts_per_tok=2,
             row={"short": True}),
    _decoder("qwen3_moe", "Qwen3MoeForCausalLM", num_experts=4, num_experts_per_tok=2,
             moe_intermediate_size=48, decoder_sparse_step=1, mlp_only_layers=[]),
    _decoder("granitemoe", "GraniteMoeForCausalLM", num_local_experts=4,
             num_experts_per_tok=2, row={"short": True}),
    _decoder("gpt_oss", "GptOssForCausalLM", num_local_experts=4, num_experts_per_tok=2),
]

ENCODERS = [
    *_encoder("bert", "Bert", row={"short": True}),
    *_encoder("roberta", "Roberta"),
]

SEQUENCE_TO_SEQUENCE = [
    _row("t5", "t5", "T5ForConditionalGeneration", i.text_to_text,
         {"vocab_size": 128, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2,
          "num_heads": 4, "decoder_start_token_id": 0}),
    _row("whisper", "whisper", "WhisperForConditionalGeneration", i.spectrogram,
         {"vocab_size": 128, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
          "encoder_attention_heads": 4, "decoder_attention_heads": 4,
          "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "num_mel_bins": 16,
          "max_source_positions": 24, "max_target_positions": 32, "pad_token_id": 0,
          "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3},
         short=True),
]

VISION = [
    _row("vit", "vit", "ViTForImageClassification", i.image, _VIT, short=True),
    _row("dinov2", "dinov2", "Dinov2Model", i.image, _with(_VIT, mlp_ratio=2),
         upstream={"transformers5": "breaks with any compressed-tensors configuration"}),
]

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

MIXED = [
    _row("clip", "clip", "CLIPModel", i.text_and_image, _CLIP),
    _row("clip-text-part", "clip", "CLIPModel", i.text, _CLIP, load_as="CLIPTextModel"),
    _row("clip-vision-part", "clip", "CLIPModel", i.image_part, _CLIP,
         load_as="CLIPVisionModel"),
    _row("llava", "llava", "LlavaForConditionalGeneration",
         i.image_tokens(127, 16, 32), _LLAVA, short=True),
]

ALL = [*DECODERS, *MIXTURES, *ENCODERS, *SEQUENCE_TO_SEQUENCE, *VISION, *MIXED]
