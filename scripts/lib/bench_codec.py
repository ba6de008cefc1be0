#!/usr/bin/python3
"""Runs codec_benchmark, and ZipNN beside it, and prints one table.

    bench_codec.py --binary BENCHMARK [--zipnn PYTHON] [--rounds N] [--seconds S] CASE...
    bench_codec.py --binary BENCHMARK --smoke

CASE: LABEL=FILE, or LABEL=FILE+INT8_FILE for codes that the user brings. Each round
measures everything once, one after another; the table has the medians. --smoke:
one round on a few made-up weights, which proves that all this runs. The exit status
is 1 when this codec takes more than ZipNN and zstd together.
"""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile

OPERATIONS = ("encode", "decode", "decode-int8")
TENSOR_NOTES = {"model": "", "one": ", one large tensor", "small": ", tensors of 64 rows",
                "own": ", own codes instead"}


ZIPNN_ROW = "ZipNN, INT8 by zstd -3"


class Case:
    def __init__(self, text):
        self.label, _, files = text.partition("=")
        self.file, _, self.int8 = files.partition("+")

    def arguments(self):
        return [self.file] * bool(self.file) + [f"--int8={self.int8}"] * bool(self.int8)


class Row:
    """The samples of one line of the table."""

    def __init__(self):
        self.percent = None
        self.int8_bytes = None
        self.speeds = collections.defaultdict(list)  # by (operation, threads)
        self.cores = []  # that the runs on several threads had
        self.cpu_times = collections.defaultdict(list)  # as speeds

    def speed(self, operation, threads):
        samples = self.speeds.get((operation, threads))
        return statistics.median(samples) / 1e9 if samples else None


def run_benchmark(binary, case, threads, extra):
    """The JSON that Google Benchmark writes."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([binary, *case.arguments(), f"--threads={threads}",
                        f"--benchmark_out={out.name}", "--benchmark_out_format=json", *extra],
                       check=True, stdout=subprocess.DEVNULL)
        return json.load(open(out.name))


def add_benchmark(report, rows):
    for run in report["benchmarks"]:
        if run.get("error_occurred"):
            sys.exit(f"{run['name']}: {run['error_message']}")
        operation, contestant, tensors, threads = run["name"].split("/")[:4]
        row = rows[contestant + TENSOR_NOTES[tensors]]
        row.percent = run["percent"]
        row.int8_bytes = run["int8_bytes"]
        row.speeds[operation, int(threads)].append(run["bytes_per_second"])
        row.cpu_times[operation, int(threads)].append(run["cpu_time"])
        if int(threads) > 1:
            row.cores.append(run["cpu_time"] / run["real_time"])


def add_zipnn(python, case, threads, seconds, two_copies_bytes, rows):
    row = rows[ZIPNN_ROW]
    for count in sorted({1, threads}):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_zipnn.py")
        command = [python, script, case.file, str(count), f"--seconds={seconds}"]
        command += [f"--int8={case.int8}"] * bool(case.int8)
        result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        stored = result["stored_bytes"] + rows["zstd -3"].int8_bytes
        row.percent = 100 * stored / two_copies_bytes
        for operation in ("encode", "decode"):
            row.speeds[operation, count].append(result[operation])


def measure(case, arguments, threads):
    """(context, rows by name) of one case."""
    extra = [f"--benchmark_min_time={arguments.seconds}"]
    extra += ["--rows=16"] * arguments.smoke
    rows = collections.defaultdict(Row)
    for _ in range(arguments.rounds):
        report = run_benchmark(arguments.binary, case, threads, extra)
        add_benchmark(report, rows)
        if arguments.zipnn:
            add_zipnn(arguments.zipnn, case, threads, arguments.seconds,
                      float(report["context"]["two_copies_bytes"]), rows)
    return report["context"], rows


def cpu_costs(rows, threads):
    """What several threads cost this codec beyond one: 1 where nothing is in the way."""
    for name, row in rows.items():
        if name.startswith("qstore"):
            for operation in OPERATIONS:
                one, several = (row.cpu_times[operation, count] for count in (1, threads))
                yield statistics.median(several) / statistics.median(one)


def losses_to_zipnn(case, rows):
    if ZIPNN_ROW in rows:
        for name, row in rows.items():
            if name.startswith("qstore") and row.percent > rows[ZIPNN_ROW].percent:
                yield f"{case.label}: {name} takes more than ZipNN and zstd"


def cell(value, digits=2):
    return "" if value is None else f"{value:.{digits}f}"


def table_lines(case, context, rows, threads):
    differences = float(context["entropy_of_differences"])
    floor = ["  order-0 entropy", cell(float(context["entropy_percent"]))]
    yield [f"{case.label}, {float(context['weights']) / 1e6:.1f} M weights"]
    # With columns multiplied there is no such bound: factors predict codes.
    yield floor if differences < 2 else ["  order-0 entropy", "none"]
    for name, row in rows.items():
        line = [f"  {name}", cell(row.percent)]
        for operation in OPERATIONS:
            one, several = (row.speed(operation, count) for count in (1, threads))
            line.append(cell(one))
            if threads > 1:
                line += [cell(several), cell(several / one if one and several else None)]
        yield line


def print_table(lines, threads):
    columns = ["1 core", f"{threads} cores", "ratio"] if threads > 1 else ["1 core"]
    header = ["", "size %"]
    for operation in OPERATIONS:
        header += [f"{operation} {columns[0]}", *columns[1:]]
    rows = [header, *lines]
    widths = [max(len(row[i]) for row in rows if len(row) > 1 and i < len(row))
              for i in range(len(header))]
    for row in rows:
        first, *rest = row
        print("  ".join([first.ljust(widths[0]),
                         *(text.rjust(width) for text, width in zip(rest, widths[1:]))]).rstrip())
    print("""
size: everything stored, scales, headers and 13 bytes a key, in percent of original and INT8.
encode, decode: GB/s of original weights, checksums included; encode makes both parts, and ours
quantizes. decode-int8: GB/s of codes. ZipNN's speeds are those of the original alone.
1 core: CPU time; several: time that has passed. Medians.""")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--zipnn", help="interpreter of an environment that has zipnn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE", type=Case)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rounds, arguments.seconds, arguments.cases = 1, 0.001, [Case("made up=")]
    if not arguments.cases:
        parser.error("no CASE is given")
    threads = os.cpu_count() or 1

    lines, losses, cores, costs = [], [], [], []
    for case in arguments.cases:
        print(f"measuring {case.label}", file=sys.stderr, flush=True)
        context, rows = measure(case, arguments, threads)
        lines += table_lines(case, context, rows, threads)
        losses += losses_to_zipnn(case, rows)
        cores += [share for row in rows.values() for share in row.cores]
        costs += cpu_costs(rows, threads)
    print(f"kernels: {context['kernels']}")
    print_table(lines, threads)
    if cores:
        print(f"What ran on {threads} threads had {statistics.median(cores):.2f} cores: figures for"
              f" {threads} cores mean something when that is near {threads}.\nOurs took"
              f" {statistics.median(costs):.2f} times the CPU time of one thread.")
    if arguments.smoke and ("memcpy" not in rows or any(row.percent is None for row in rows.values())):
        sys.exit("the table lacks a row or a size")
    if losses:
        sys.exit("\n".join(losses))


if __name__ == "__main__":
    main()
