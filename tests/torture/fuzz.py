"""Fuzz targets, each for its share of the time.

With clang, from the libFuzzer build (preset fuzz: ASan and UBSan), beginning
with the corpus of the repository. What is not built there runs mutations of its
corpus instead (tests/fuzz_corpus_main.cc).
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

WORKERS = 2
ROOT = pathlib.Path(__file__).resolve().parents[2]
FINAL_SECONDS = 60  # that an input may take beyond the share


def corpus_of(target):
    """tests/AREA/fuzz/corpus_NAME for the target NAME_fuzz or NAME_codec_fuzz."""
    name = target.name.removesuffix("_fuzz").removesuffix("_codec")
    (corpus,) = (ROOT / "tests").glob(f"*/fuzz/corpus_{name}")
    return corpus


def with_libfuzzer(target, context, seconds):
    directory = context.directory / target.name
    directory.mkdir()
    return ([str(target), f"-max_total_time={seconds}",
             f"-seed={context.seed % (1 << 31) + 1}", "-print_final_stats=1",
             "-timeout=30", f"-artifact_prefix={directory}/", str(directory),
             str(corpus_of(target))], {}, r"number_of_executed_units: (\d+)")


def with_mutations(target, context, seconds):
    return ([str(target), str(corpus_of(target))],
            {"QSTORE_FUZZ_SECONDS": str(seconds), "QSTORE_FUZZ_MUTATIONS": str(1 << 60)},
            r"(\d+) mutations")


def fuzz(target, context, seconds):
    libfuzzer = "fuzz" in target.parent.parent.name
    command, settings, pattern = (with_libfuzzer if libfuzzer else with_mutations)(
        target, context, max(1, int(seconds)))
    done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                          cwd=context.directory, env={**os.environ, **settings},
                          timeout=seconds + FINAL_SECONDS, check=False)
    executed = re.search(pattern, done.stdout + done.stderr)
    if done.returncode != 0:
        print(f"{done.stderr[-4000:]}\nrepeat with: {' '.join(command)}",
              file=sys.stderr, flush=True)
    how = "executions" if libfuzzer else "mutations, without sanitizers"
    return (f"fuzz: {target.name} ({how})", int(executed.group(1)) if executed else 0,
            int(done.returncode != 0))


def run(context):
    binaries = {path.name: path for path in context.bin_dir.glob("*_fuzz")}
    fuzz_dir = context.bin_dir.parent.parent / "fuzz" / "bin"
    binaries.update({path.name: path for path in fuzz_dir.glob("*_fuzz")})
    if not binaries:
        raise RuntimeError(f"no fuzz targets in {context.bin_dir} and {fuzz_dir}")
    seconds = context.seconds * WORKERS / len(binaries)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(lambda name: fuzz(binaries[name], context, seconds),
                                sorted(binaries)))
