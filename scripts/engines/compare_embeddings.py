#!/usr/bin/env python3
"""Loads two directories of one encoder with Transformers and compares them.

    compare_embeddings.py ORIGINAL_DIR INT8_DIR [--minimum COSINE]

Each directory is loaded as it is, by AutoModel and AutoTokenizer; sentence
embeddings are mean-pooled. Prints the cosine of each sentence and exits with 1
when one is below the minimum, when a tensor of the directory was not used, or
when no weight is other than the original's.
"""

import argparse
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch  # noqa: E402
from transformers import AutoModel, AutoTokenizer  # noqa: E402

SENTENCES = (
    "A model store keeps one copy of the weights and serves two precisions.",
    "The cat sat on the mat.",
    "Ein kurzer Satz auf Deutsch, der auch verstanden werden soll.",
    "Quantization maps every weight to one of two hundred and fifty-six codes.",
    "How do I restart a Kubernetes pod without losing its volume?",
    "Stock markets fell sharply on Tuesday after the central bank raised rates.",
    "In 1969 two people walked on the Moon for the first time.",
    "def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)",
    "x",
    "The recipe calls for three eggs, a cup of flour, and a pinch of salt; "
    "whisk them together until smooth, then rest the batter for half an hour.",
)


def load(directory):
    """Returns the tokenizer and the model, refusing missing or unused tensors."""
    model, loading = AutoModel.from_pretrained(
        directory, local_files_only=True, output_loading_info=True)
    for problem in ("missing_keys", "mismatched_keys"):
        if loading[problem]:
            raise SystemExit(f"{directory}: {problem}: {sorted(loading[problem])}")
    unused = [key for key in loading["unexpected_keys"]
              if not key.endswith("position_ids")]
    if unused:
        raise SystemExit(f"{directory}: tensors that the model does not use: {unused}")
    return AutoTokenizer.from_pretrained(directory, local_files_only=True), model.eval()


def embed(directory):
    tokenizer, model = load(directory)
    tokens = tokenizer(list(SENTENCES), padding=True, truncation=True,
                       return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**tokens).last_hidden_state.float()
    mask = tokens["attention_mask"].unsqueeze(-1).float()
    return (hidden * mask).sum(1) / mask.sum(1), model


def changed_layers(model, original):
    """Linear layers, and those of them whose weights are not the original's."""
    before = dict(original.named_modules())
    layers = [(name, module) for name, module in model.named_modules()
              if isinstance(module, torch.nn.Linear)]
    changed = [name for name, module in layers
               if not torch.equal(module.weight, before[name].weight)]
    return len(layers), len(changed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original_dir")
    parser.add_argument("int8_dir")
    parser.add_argument("--minimum", type=float, default=0.98, metavar="COSINE")
    arguments = parser.parse_args()

    original, original_model = embed(arguments.original_dir)
    int8, model = embed(arguments.int8_dir)
    layers, changed = changed_layers(model, original_model)
    print(f"{changed} of {layers} linear layers have the weights of INT8 codes")
    if changed == 0:
        raise SystemExit(f"{arguments.int8_dir}: loaded with the original's weights: "
                         "config.json has no quantization_config, or nothing is INT8")

    cosines = torch.nn.functional.cosine_similarity(original, int8, dim=1).tolist()
    print("cosine  sentence")
    for cosine, sentence in zip(cosines, SENTENCES):
        print(f"{cosine:.4f}  {sentence[:70]}")
    print(f"lowest {min(cosines):.4f}, required {arguments.minimum}")
    if not min(cosines) >= arguments.minimum:
        print("error: the INT8 model is too far from the original", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
