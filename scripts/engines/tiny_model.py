"""Makes a tiny model of an architecture with weights that tell inputs apart."""

import contextlib
import io
import zlib

import torch
import transformers


def class_named(name):
    found = getattr(transformers, name, None)
    if found is None:
        raise LookupError(f"this Transformers has no {name}")
    return found


def _normal(tensor, std, generator):
    tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)


def _fill(model, gain, generator):
    """Linear layers keep their inputs' size, norms stay near one, and what a
    model starts as a constant gets some noise, so that no row is like another."""
    done = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.data_ptr() in done or not parameter.is_floating_point():
                continue
            done.add(parameter.data_ptr())
            values = parameter.data
            if isinstance(module, torch.nn.Embedding):
                _normal(values, 0.5, generator)
                if module.padding_idx is not None:
                    values[module.padding_idx] = 0
            elif values.dim() >= 2 and (name == "weight" or values.dim() == 3):
                # [out, in...] of linear layers and convolutions; experts are [n, a, b]
                inputs = values.numel() // values.shape[0]
                if name != "weight":
                    inputs = values.shape[-1]
                _normal(values, gain * inputs ** -0.5, generator)
            elif values.numel() and values.min() == values.max():
                values.add_(torch.randn(values.shape, generator=generator) * 0.1)
    for name, buffer in model.named_buffers():
        if name.endswith(".codebook.embed"):  # EnCodec's codebooks are buffers of zeros
            _normal(buffer, 1, generator)


def make(architecture, directory):
    """Writes the model; returns how many weights could be INT8 (see linear_weights)."""
    stored_class = class_named(architecture.stored_class)
    seed = zlib.crc32(architecture.name.encode())
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(architecture.model_type,
                                               **architecture.config)
    model = stored_class(config)
    with torch.no_grad():
        _fill(model, architecture.gain, torch.Generator().manual_seed(seed))
    model.to(getattr(torch, architecture.dtype))
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(directory)
    return linear_weights(model)


def linear_weights(model):
    """Elements of the weights that are multiplied with activations: of linear layers
    (Conv1D too) and experts, without output heads."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    counted = {}
    for module in model.modules():
        kind = type(module).__name__
        for name, parameter in module.named_parameters(recurse=False):
            linear = kind == "Conv1D" or isinstance(module, torch.nn.Linear)
            experts = parameter.dim() == 3 and "Conv" not in kind
            if module is not head and (experts or (linear and name == "weight")):
                counted[parameter.data_ptr()] = parameter.numel()
    return sum(counted.values())
