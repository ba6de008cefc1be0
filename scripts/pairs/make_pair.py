#!/usr/bin/env python3
"""Makes a pair as users bring it: a model, and its INT8 from some other tool.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/pairs/requirements.txt
    VENV/bin/python scripts/pairs/make_pair.py METHOD MODEL_DIR OUT_DIR [--dtype bfloat16]

METHOD: gptq         llm-compressor's GPTQ, W8A8: codes make up for each other's errors
        bnb          bitsandbytes' LLM.int8(): FP16, rounding by a reciprocal
        smooth       columns times SmoothQuant's factors, then the nearest codes; the
                     factors, which come from real activations, are not kept
        smooth-gptq  the two together
        shuffled     the nearest codes of each row in any order: they say nothing

MODEL_DIR is an encoder that Transformers loads. Calibration text are the licenses
in /usr/share/common-licenses. OUT_DIR gets original/ and int8/, for

    codec_benchmark OUT_DIR/original/model.safetensors --int8=OUT_DIR/int8/model.safetensors

On two cores the MiniLM model takes a minute, the MPNet model six.
"""

import argparse
import pathlib

import torch
from datasets import Dataset
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

MAX_TOKENS = 64


def calibration_text(count):
    """The first paragraphs of the licenses that Debian ships."""
    paragraphs = []
    for path in sorted(pathlib.Path("/usr/share/common-licenses").iterdir()):
        if path.is_symlink():
            continue
        for paragraph in path.read_text(errors="replace").split("\n\n"):
            words = paragraph.split()
            if len(words) > 8:
                paragraphs.append(" ".join(words))
    return paragraphs[:count]


def linear_layers(model):
    """Those that are quantized: not the pooler, which sentence encoders do not use."""
    return {name: module for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and "pooler" not in name}


@torch.no_grad()
def largest_inputs(model, tokenizer, texts):
    """For each linear layer, the largest magnitude of each column of its input."""
    largest = {}

    def watch(name):
        def hook(_module, inputs):
            now = inputs[0].float().abs().flatten(0, -2).amax(0)
            largest[name] = torch.maximum(largest[name], now) if name in largest else now
        return hook

    handles = [module.register_forward_pre_hook(watch(name))
               for name, module in linear_layers(model).items()]
    for text in texts:
        model(**tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"))
    for handle in handles:
        handle.remove()
    return largest


def smoothing_factors(weight, largest_input):
    """SmoothQuant's, with its exponent of one half."""
    largest_weight = weight.float().abs().amax(0).clamp(min=1e-5)
    return (largest_input.clamp(min=1e-5) / largest_weight).sqrt()


def smooth_in_place(model, largest):
    """Weights times the factors; inputs are divided by them."""
    for name, module in linear_layers(model).items():
        factors = smoothing_factors(module.weight, largest[name])
        module.weight.data = (module.weight.float() * factors).to(module.weight.dtype)
        inverse = (1 / factors).to(module.weight.dtype)
        module.register_forward_pre_hook(
            lambda _module, inputs, inverse=inverse: (inputs[0] * inverse, *inputs[1:]))


def nearest_codes(weight):
    scale = weight.float().abs().amax(1, keepdim=True).clamp(min=2.0**-126) / 127
    return torch.round(weight.float() / scale).clamp(-127, 127).to(torch.int8), scale


def gptq(model, tokenizer, texts, out):
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import GPTQModifier

    tokens = tokenizer(texts, truncation=True, max_length=MAX_TOKENS)
    dataset = Dataset.from_dict({key: tokens[key] for key in ("input_ids", "attention_mask")})
    recipe = GPTQModifier(targets="Linear", scheme="W8A8", ignore=["re:.*pooler.*"])
    oneshot(model=model, dataset=dataset, recipe=recipe,
            num_calibration_samples=len(texts), max_seq_length=MAX_TOKENS)
    model.save_pretrained(out, save_compressed=True)


def bitsandbytes(model, out):
    from bitsandbytes.functional import int8_vectorwise_quant

    tensors = {}
    for name, module in linear_layers(model).items():
        codes, largest, _ = int8_vectorwise_quant(module.weight.data.to(torch.float16))
        tensors[f"{name}.weight"] = codes
        tensors[f"{name}.SCB"] = largest
    out.mkdir()
    save_file(tensors, out / "model.safetensors")


def smooth(model, largest, out):
    tensors = {}
    for name, module in linear_layers(model).items():
        factors = smoothing_factors(module.weight, largest[name])
        codes, scale = nearest_codes(module.weight.float() * factors)
        tensors[f"{name}.weight"] = codes
        tensors[f"{name}.weight_scale"] = scale
    out.mkdir()
    save_file(tensors, out / "model.safetensors")


def shuffled(model, out):
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name, module in linear_layers(model).items():
        codes, scale = nearest_codes(module.weight)
        order = torch.rand(codes.shape, generator=generator).argsort(1)
        tensors[f"{name}.weight"] = codes.gather(1, order)
        tensors[f"{name}.weight_scale"] = scale
    out.mkdir()
    save_file(tensors, out / "model.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=["gptq", "bnb", "smooth", "smooth-gptq", "shuffled"])
    parser.add_argument("model_dir")
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--dtype", default="bfloat16",
                        choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--texts", type=int, default=96)
    arguments = parser.parse_args()

    arguments.out_dir.mkdir(parents=True)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model_dir)
    model = AutoModel.from_pretrained(arguments.model_dir,
                                      dtype=getattr(torch, arguments.dtype)).eval()
    model.save_pretrained(arguments.out_dir / "original")
    out = arguments.out_dir / "int8"
    texts = calibration_text(arguments.texts)
    if arguments.method == "bnb":
        return bitsandbytes(model, out)
    if arguments.method == "shuffled":
        return shuffled(model, out)
    if arguments.method == "gptq":
        return gptq(model, tokenizer, texts, out)
    largest = largest_inputs(model, tokenizer, texts)
    if arguments.method == "smooth":
        return smooth(model, largest, out)
    smooth_in_place(model, largest)
    return gptq(model, tokenizer, texts, out)


if __name__ == "__main__":
    main()
