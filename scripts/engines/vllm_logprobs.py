#!/usr/bin/env python3
"""Loads one directory with vLLM on the CPU and saves the log-probabilities of prompts.

    vllm_logprobs.py DIR PROMPTS.pt OUTPUT.pt

A process of its own for each directory: vLLM does not give a device back.
"""

import os
import sys

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="",
                  VLLM_CPU_KVCACHE_SPACE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0",
                  VLLM_CPU_OMP_THREADS_BIND="nobind", VLLM_NO_USAGE_STATS="1",
                  VLLM_LOGGING_LEVEL="ERROR")

import torch  # noqa: E402
import vllm  # noqa: E402


def main():
    directory, prompts_path, output_path = sys.argv[1:]
    prompts = torch.load(prompts_path)
    engine = vllm.LLM(model=directory, skip_tokenizer_init=True, enforce_eager=True,
                      max_model_len=64, max_logprobs=-1, seed=1)
    settings = vllm.SamplingParams(max_tokens=1, prompt_logprobs=-1, detokenize=False)
    answers = engine.generate([{"prompt_token_ids": row} for row in prompts.tolist()],
                              settings, use_tqdm=False)
    torch.save(torch.tensor([[[position[token].logprob for token in sorted(position)]
                              for position in answer.prompt_logprobs[1:]]
                             for answer in answers]), output_path)


if __name__ == "__main__":
    main()
