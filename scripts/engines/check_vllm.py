#!/usr/bin/env python3
"""Stores tiny models, runs their INT8 downloads with vLLM on the CPU, and holds the
log-probabilities of four prompts against codes * scales and against the original.

    check_vllm.py --engine vllm --bin-dir DIR --results FILE
                  [--format F]... [--only NAME]... [--short]

Runs in an environment that has vLLM; see check_transformers.py for the rest.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="",
                  TQDM_DISABLE="1")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import torch  # noqa: E402

import architectures  # noqa: E402
import formats  # noqa: E402
import int8_directory  # noqa: E402
import outputs  # noqa: E402
import tiny_model  # noqa: E402
from outcome import ABSENT, NONE, RIGHT, WRONG, Outcome, judge  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

# What vLLM says when it has no kernel for this machine; no fault of the files.
NO_INT8_EXPERTS = "No Int8 MoE backend supports the deployment configuration"
NO_PACKED = "Failed to find a kernel that can implement the WNA16 linear layer"

# vLLM's INT8 kernels round activations, so that both bounds are the original's.
LEAST_COSINE = 0.98
TIMEOUT_SECONDS = 300


class Check:
    def __init__(self, architecture, client, work):
        self.architecture = architecture
        self.client = client
        self.work = work
        self.linear_weights = tiny_model.make(architecture, work / "model")
        name = f"engines/{architecture.name}"
        client.json("upload", work / "model", name)
        client.json("download", name, work / "original")
        prompts = torch.randint(8, 128, (4, 12),
                                generator=torch.Generator().manual_seed(20))
        torch.save(prompts, work / "prompts.pt")
        self.outputs = self._log_probabilities("original")
        dependence = outputs.dependence(self.outputs)
        if not dependence >= outputs.LEAST_DEPENDENCE:
            raise RuntimeError(f"the outputs hardly depend on the inputs ({dependence:.3g})")

    def _log_probabilities(self, directory):
        program = pathlib.Path(__file__).with_name("vllm_logprobs.py")
        output = self.work / f"{directory}.pt"
        done = subprocess.run(
            [sys.executable, str(program), str(self.work / directory),
             str(self.work / "prompts.pt"), str(output)],
            capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{directory}: {reason(done.stderr + done.stdout)}")
        return {"logits": torch.load(output).double()}

    def has_int8_experts(self, format_name):
        stored = int8_directory.tensors(self.work / format_name)
        return any("experts." in name for name in int8_directory.quantized_weights(stored))

    def run(self, outcome):
        int8 = self.work / outcome.format
        done = self.client.run("download", f"engines/{self.architecture.name}", int8,
                               "--precision", "int8", "--format", outcome.format)
        if done.returncode != 0:
            outcome.result = NONE
            outcome.detail = done.stderr.strip().removeprefix("error: ")
            return
        if int8_directory.quantization(int8) is None:
            outcome.result, outcome.detail = NONE, "nothing is quantized"
            return
        problems, weights = int8_directory.differences(self.work / "original", int8)
        outcome.share = weights / max(1, self.linear_weights)
        reference = f"{outcome.format}-reference"
        int8_directory.write_reference(self.work / "original", int8,
                                       self.work / reference, round_scales=False)
        found = self._log_probabilities(outcome.format)
        outcome.to_reference = outputs.cosine(self._log_probabilities(reference), found)
        outcome.to_original = outputs.cosine(self.outputs, found)
        if not outcome.to_reference >= LEAST_COSINE:
            problems.append("far from codes * scales")
        if not outcome.to_original >= LEAST_COSINE:
            problems.append("far from the original")
        outcome.result = WRONG if problems else RIGHT
        outcome.detail = "; ".join(problems)


def reason(text):
    """The error of a process: the last line that names one."""
    lines = [line.strip() for line in text.splitlines() if "Error" in line]
    return (lines or text.splitlines() or ["no output"])[-1][:200]


def check(architecture, engine, wanted, client):
    with tempfile.TemporaryDirectory() as work:
        setup_problem = None
        try:
            subject = Check(architecture, client, pathlib.Path(work))
        except Exception as error:
            setup_problem = f"cannot be tried: {error}"
        for format_name in wanted:
            outcome = Outcome(engine, architecture.name, format_name, WRONG)
            began = time.monotonic()
            if setup_problem is not None:
                outcome.detail, outcome.expected = setup_problem, False
                yield outcome
                continue
            try:
                subject.run(outcome)
            except Exception as error:
                outcome.result, outcome.detail = WRONG, " ".join(str(error).split())
                if NO_PACKED in outcome.detail:
                    outcome.result = ABSENT
                    outcome.detail = "vLLM has no kernel for packed 8-bit weights on a CPU"
                if NO_INT8_EXPERTS in outcome.detail and subject.has_int8_experts(format_name):
                    outcome.result = ABSENT
                    outcome.detail = "vLLM's INT8 experts need a CPU with AMX"
            outcome.seconds = time.monotonic() - began
            yield judge(outcome, architecture.no_int8,
                        architecture.expected_failure(engine, format_name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--results", required=True)
    formats.add_argument(parser)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    rows = [row for row in architectures.VLLM
            if not arguments.only or row.name in arguments.only]
    if arguments.short:
        rows = rows[:2]
    with tempfile.TemporaryDirectory() as work, \
            open(arguments.results, "a", encoding="utf-8") as results, \
            Daemon(arguments.bin_dir, f"{work}/data", f"{work}/log") as daemon:
        client = Client(arguments.bin_dir, daemon.address)
        for row in rows:
            for outcome in check(row, arguments.engine, formats.chosen(arguments), client):
                outcome.write(results)
                outcome.print()


if __name__ == "__main__":
    main()
