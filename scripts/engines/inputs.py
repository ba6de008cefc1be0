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


def image_tokens(token_id, count, size):
    """A prompt that begins with the `count` placeholders of one image."""
    def make(config):
        ids = _ids(config)
        ids = torch.where(ids == token_id, ids - 1, ids)
        ids = torch.cat([torch.full((BATCH, count), token_id), ids], dim=1)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids),
                "pixel_values": _pixels(size)}
    return make
