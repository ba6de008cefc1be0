#!/usr/bin/env python3
"""Stores tiny models, loads their INT8 downloads with Transformers, and holds
weights and outputs against codes * scales and against the original.

    check_transformers.py --engine NAME --bin-dir DIR --results FILE
                          [--format F]... [--only NAME]... [--short]

Runs in an environment that has torch, transformers and compressed-tensors. One
JSON line per architecture and format is appended to FILE; report.py judges them.
"""

import argparse
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import time
import warnings

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="",
                  TQDM_DISABLE="1")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import torch  # noqa: E402
import transformers  # noqa: E402

import architectures  # noqa: E402
import formats  # noqa: E402
import int8_directory  # noqa: E402
import outputs  # noqa: E402
import tiny_model  # noqa: E402
from loaded_model import Loaded  # noqa: E402
from outcome import ABSENT, NONE, RIGHT, WRONG, Outcome, judge  # noqa: E402
from qstore_process import Client, Daemon  # noqa: E402

LEAST_TO_REFERENCE = 0.9999
LEAST_TO_ORIGINAL = 0.98


class Check:
    """One architecture, stored once and looked at in each format."""

    def __init__(self, architecture, client, work):
        self.architecture = architecture
        self.client = client
        self.work = work
        self.model_class = tiny_model.class_named(
            architecture.load_as or architecture.stored_class)
        self.linear_weights = tiny_model.make(architecture, work / "model")
        name = f"engines/{architecture.name}"
        client.json("upload", work / "model", name)
        client.json("download", name, work / "original")
        self.original = Loaded(self.model_class, work / "original")
        self.arguments = architecture.inputs(self.original.model.config)
        self.outputs = outputs.run(self.original.model, self.arguments)
        dependence = outputs.dependence(self.outputs)
        if not dependence >= outputs.LEAST_DEPENDENCE:
            raise RuntimeError(f"the outputs hardly depend on the inputs ({dependence:.3g}): "
                               "give the tiny model other weights or sizes")

    def run(self, outcome):
        """Fills in the outcome of one format."""
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
        problems += self._compare(outcome, int8)
        outcome.result = WRONG if problems else RIGHT
        if problems:
            outcome.detail = "; ".join(problems)

    def _reference(self, outcome, int8, round_scales):
        directory = self.work / f"{outcome.format}-{round_scales}"
        int8_directory.write_reference(self.work / "original", int8, directory, round_scales)
        return Loaded(self.model_class, directory)

    def _compare(self, outcome, int8):
        reference = self._reference(outcome, int8, round_scales=False)
        rounded = self._reference(outcome, int8, round_scales=True)
        loaded = Loaded(self.model_class, int8)
        problems = loaded.worse_than(self.original)
        for other in (reference, rounded, loaded):
            other.copy_made_up(self.original)
        try:
            outcome.to_original = outputs.cosine(
                self.outputs, outputs.run(loaded.model, self.arguments))
            loaded.decompress()
            different, count, taken = loaded.compare_weights(
                reference, rounded, self.original)
            outcome.detail = (f"{count} quantized weights, "
                              f"{taken} of them with scales in {self.architecture.dtype}")
            problems += different[:4]
            outcome.to_reference = outputs.cosine(
                outputs.run(reference.model, self.arguments),
                outputs.run(loaded.weights_alone(), self.arguments))
        except Exception as error:
            return [*problems, one_line(error)]
        if not outcome.to_original >= LEAST_TO_ORIGINAL:
            problems.append("far from the original")
        if not outcome.to_reference >= LEAST_TO_REFERENCE:
            problems.append("far from codes * scales")
        return problems


def one_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"


def check(architecture, engine, wanted, client):
    """Yields one outcome a format."""
    setup_problem = None
    if engine in architecture.not_made_by:
        yield Outcome(engine, architecture.name, "-", ABSENT,
                      "Transformers cannot save its shared tensors")
        return
    with tempfile.TemporaryDirectory() as work:
        try:
            subject = Check(architecture, client, pathlib.Path(work))
        except LookupError as error:
            yield Outcome(engine, architecture.name, "-", ABSENT, one_line(error))
            return
        except Exception as error:
            if unknown_type(error):
                yield Outcome(engine, architecture.name, "-", ABSENT, one_line(error))
                return
            setup_problem = f"cannot be tried: {one_line(error)}"
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
                outcome.result, outcome.detail = WRONG, one_line(error)
            outcome.seconds = time.monotonic() - began
            yield judge(outcome, architecture.no_int8,
                        architecture.expected_failure(engine, format_name))


def unknown_type(error):
    return isinstance(error, ValueError) and "Unrecognized model identifier" in str(error)


def chosen(only, short):
    rows = [row for row in architectures.ALL if row.short or not short]
    unknown = set(only) - {row.name for row in architectures.ALL}
    if unknown:
        raise SystemExit(f"error: no architecture {sorted(unknown)[0]!r}: the names are in "
                         "scripts/engines/architectures.py")
    return [row for row in (architectures.ALL if only else rows)
            if not only or row.name in only]


@contextlib.contextmanager
def quiet():
    """What loading reports is read by Loaded."""
    transformers.logging.set_verbosity_warning()
    transformers.logging.disable_default_handler()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", required=True)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--results", required=True)
    formats.add_argument(parser)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # tiny matrices
    rows = chosen(arguments.only, arguments.short)
    with tempfile.TemporaryDirectory() as work, \
            open(arguments.results, "a", encoding="utf-8") as results, \
            Daemon(arguments.bin_dir, f"{work}/data", f"{work}/log") as daemon:
        client = Client(arguments.bin_dir, daemon.address)
        for row in rows:
            with quiet():
                outcomes = list(check(row, arguments.engine, formats.chosen(arguments), client))
            for outcome in outcomes:
                outcome.write(results)
                outcome.print()


if __name__ == "__main__":
    main()
