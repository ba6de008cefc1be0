"""Loads a directory with Transformers and looks into what came of it."""

import contextlib
import logging
import re

import torch

from int8_directory import same_bits

_INFO = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs",
         "conversion_errors")
# What a quantized module has beside its weight.
_QUANTIZATION = ("weight_scale", "weight_zero_point", "weight_shape", "weight_packed",
                 "input_scale", "input_zero_point")


class _Report(logging.Handler):
    """Keeps what Transformers logs while it loads: its exceptions only point there."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        self.text += record.getMessage() + "\n"

    def reasons(self):
        found = re.findall(r"^(\w*Error: .*|Error: .*)$", self.text, re.MULTILINE)
        return " ".join(dict.fromkeys(line.strip() for line in found[:2]))


class Loaded:
    def __init__(self, model_class, directory):
        torch.manual_seed(1)
        report, logger = _Report(), logging.getLogger("transformers")
        logger.addHandler(report)
        try:
            self.model, info = model_class.from_pretrained(
                directory, local_files_only=True, output_loading_info=True, dtype="auto")
        except Exception as error:
            raise RuntimeError(f"{report.reasons()} {type(error).__name__}: {error}") from error
        finally:
            logger.removeHandler(report)
        self.model.eval()
        self.info = {name: {str(item) for item in info.get(name) or ()} for name in _INFO}

    def worse_than(self, original):
        """What loading reports here and not of the original."""
        problems = []
        for name in _INFO:
            more = self.info[name] - original.info[name]
            if name == "unexpected_keys":  # the scale of a weight that is not used either
                more = {key for key in more if not any(
                    key == f"{weight}{suffix}" or key == f"{weight[:-7]}.{suffix}"
                    for weight in original.info[name]
                    for suffix in ("_scale", "_packed", "_shape"))}
            if more:
                problems.append(f"{name}: {_some(more)}")
        return problems

    def copy_made_up(self, original):
        """Gives the tensors that no file holds the values they got in `original`."""
        mine, theirs = self._tensors(), original._tensors()
        for name in original.info["missing_keys"]:
            if name in mine and name in theirs and mine[name].shape == theirs[name].shape:
                with torch.no_grad(), contextlib.suppress(RuntimeError):
                    mine[name].copy_(theirs[name])

    def decompress(self):
        """Weights of modules that no forward pass has reached stay compressed."""
        quantizer = getattr(self.model, "hf_quantizer", None)
        if quantizer is not None and hasattr(quantizer, "compressor"):
            for module in self.model.modules():
                if getattr(module, "quantization_status", None) == "compressed":
                    _decompress_module(module)

    def weights_alone(self):
        """The model without the rounding of activations to INT8, where the engine does
        that."""
        for module in self.model.modules():
            if hasattr(module, "quantization_scheme"):
                module.quantization_enabled = False
        return self.model

    def compare_weights(self, reference, rounded, original):
        """Every tensor must be the reference's bit by bit, or `rounded`'s, whose scales
        have the model's dtype; the reference then takes that value for the comparison
        of outputs. Returns problems and the number of quantized and rounded ones.

        What is not quantized may have another dtype: Transformers 4 keeps no tensor in
        FP32 beside quantized ones, where it does so otherwise."""
        mine, theirs, rounded, before = (
            loaded._tensors() for loaded in (self, reference, rounded, original))
        problems, quantized, taken = [], 0, 0
        for name, value in theirs.items():
            if name not in mine:
                problems.append(f"no {name} after load")
                continue
            of_original = same_bits(value, before[name])
            quantized += not of_original
            if same_bits(mine[name], value):
                continue
            if same_bits(mine[name], rounded[name]):
                taken += 1
                with torch.no_grad():
                    value.copy_(rounded[name])
                continue
            if of_original and same_bits(mine[name], value.to(mine[name].dtype)):
                continue
            problems.append(f"{name} ({mine[name].dtype}) is not "
                            f"{'the original' if of_original else 'codes * scales'} after load")
        more = {name for name in set(mine) - set(theirs)
                if name.rpartition(".")[2] not in _QUANTIZATION}
        if more:
            problems.append(f"made up: {_some(more)}")
        return problems, quantized, taken

    def _tensors(self):
        found = dict(self.model.named_parameters(remove_duplicate=False))
        found.update(self.model.named_buffers(remove_duplicate=False))
        return found


def _decompress_module(module):
    if hasattr(module, "compressor"):  # compressed-tensors 0.13: CompressedLinear
        module.weight = torch.nn.Parameter(module.compressor.decompress_module(module),
                                           requires_grad=False)
        return
    from compressed_tensors.compressors.base import decompress_module
    decompress_module(module)


def _some(names, count=3):
    names = sorted(names)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
