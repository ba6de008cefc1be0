"""ZipNN on the linear weights of a safetensors file: prints one JSON object.

    bench_zipnn.py FILE THREADS [--int8 FILE] [--seconds S]

Run by scripts/lib/bench_codec.py with the interpreter of an environment that has
zipnn and numpy. Takes the tensors that codec_benchmark takes, below each other.
With one thread CPU time counts, with several the time that has passed.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import zipnn_module  # noqa: E402

ZIPNN_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def read_header(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def linear_weights(path, int8_path):
    """(dtype, bytes) of the tensors that codec_benchmark would take."""
    header, start = read_header(path)
    given = read_header(int8_path)[0] if int8_path else None
    content = pathlib.Path(path).read_bytes()
    parts, dtypes = [], set()
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if tensor["dtype"] not in ZIPNN_DTYPES or len(tensor["shape"]) != 2:
            continue
        if "embed" in name or "lm_head" in name:
            continue
        if given is not None and given.get(name, {}).get("dtype") != "I8":
            continue
        begin, end = tensor["data_offsets"]
        parts.append(content[start + begin:start + end])
        dtypes.add(tensor["dtype"])
    if len(dtypes) != 1:
        sys.exit(f"{path}: no weights, or of several types: {sorted(dtypes)}")
    return dtypes.pop(), b"".join(parts)


def median_time(clock, seconds, prepare, run):
    """The median time of run(prepare()), at least three times."""
    times = []
    while len(times) < 3 or sum(times) < seconds:
        argument = prepare()
        begin = clock()
        result = run(argument)
        times.append(clock() - begin)
    return statistics.median(times), result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("threads", type=int)
    parser.add_argument("--int8")
    parser.add_argument("--seconds", type=float, default=0.2)
    arguments = parser.parse_args()

    dtype, raw = linear_weights(arguments.file, arguments.int8)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    zipnn = zipnn_module.load()(input_format="byte", bytearray_dtype=ZIPNN_DTYPES[dtype],
                                threads=arguments.threads)
    # It reorders bits in its input: each run gets a copy.
    encode, stored = median_time(clock, arguments.seconds, lambda: bytearray(raw), zipnn.compress)
    decode, decoded = median_time(clock, arguments.seconds, lambda: stored, zipnn.decompress)
    if bytes(decoded) != raw:
        sys.exit("ZipNN does not give the weights back")
    json.dump({"raw_bytes": len(raw), "stored_bytes": len(stored),
               "encode": len(raw) / encode, "decode": len(raw) / decode}, sys.stdout)


if __name__ == "__main__":
    main()
