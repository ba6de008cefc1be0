"""Inputs for the tiny models: four different ones in a batch, from a fixed seed.

Each function takes the model's configuration and returns the arguments of one
call of the model.
"""

import torch

BATCH = 4
TOKENS = 12


def _generator():
    return torch.Generator().manual_seed(20)


def _ids(config, length=TOKENS):
    """Token ids without the special ones, which the configurations keep below 8."""
    vocabulary = getattr(config.get_text_config(), "vocab_size", None) or config.vocab_size
    return torch.randint(8, vocabulary, (BATCH, length), generator=_generator())


def _pixels(size, channels=3, batch=BATCH):
    return torch.randn(batch, channels, size, size, generator=_generator())


def text(config):
    ids = _ids(config)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def ids_only(config):
    return {"input_ids": _ids(config)}


def text_to_text(config):
    ids = _ids(config)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids),
            "decoder_input_ids": ids.flip(0)}


def image(config):
    size = config.image_size
    return {"pixel_values": _pixels(size if isinstance(size, int) else size[0],
                                    getattr(config, "num_channels", 3))}


def image_of(size):
    return lambda config: {"pixel_values": _pixels(size)}


def image_part(config):
    """For the vision half of a model that was stored whole."""
    return {"pixel_values": _pixels(config.image_size)}


def text_and_image(config):
    return {**text(config), "pixel_values": _pixels(config.vision_config.image_size)}


def spectrogram(config):
    """Whisper."""
    frames = torch.randn(BATCH, config.num_mel_bins, 2 * config.max_source_positions,
                         generator=_generator())
    return {"input_features": frames,
            "decoder_input_ids": torch.randint(8, config.vocab_size, (BATCH, 6),
                                               generator=_generator())}


def waveform(length, name="input_values", channels=None):
    shape = (BATCH, length) if channels is None else (BATCH, channels, length)
    return lambda config: {name: torch.randn(*shape, generator=_generator())}


def waveform_to_text(length):
    return lambda config: {
        **waveform(length)(config),
        "decoder_input_ids": torch.randint(8, config.vocab_size, (BATCH, 6),
                                           generator=_generator())}


def text_with_end(config):
    """For heads that look where the sequence ends."""
    ids = _ids(config)
    ids[:, -1] = config.eos_token_id
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _prompt(config, token_id, count):
    """Begins with the `count` placeholders of one image."""
    ids = _ids(config).clamp(max=100)  # the placeholders are the last ids
    ids = torch.cat([torch.full((BATCH, count), token_id), ids], dim=1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def image_tokens(token_id, count, size, frames=False):
    """A prompt with one image; `frames` is for models that take several."""
    def make(config):
        pixels = _pixels(size)
        arguments = _prompt(config, token_id, count)
        if hasattr(config, "text_config") and config.model_type == "paligemma":
            arguments["token_type_ids"] = torch.zeros_like(arguments["input_ids"])
        return {**arguments, "pixel_values": pixels.unsqueeze(1) if frames else pixels}
    return make


def qwen_image(patch_elements):
    """Images of 4 x 4 patches, of which 2 x 2 make a token."""
    def make(config):
        patches = torch.randn(BATCH * 16, patch_elements, generator=_generator())
        arguments = _prompt(config, config.image_token_id, 4)
        kinds = (arguments["input_ids"] == config.image_token_id).long()
        return {**arguments, "mm_token_type_ids": kinds, "pixel_values": patches,
                "image_grid_thw": torch.tensor([[1, 4, 4]] * BATCH)}
    return make


def image_and_points(size):
    """SAM: one point an image."""
    def make(config):
        points = torch.rand(BATCH, 1, 1, 2, generator=_generator()) * size
        return {"pixel_values": _pixels(size), "input_points": points,
                "input_labels": torch.ones(BATCH, 1, 1, dtype=torch.long)}
    return make
