"""Reads the include lines of the tree and fails on an edge that design forbids.

    base <- codec <- model <- storage <- server      proto/qstore/storage/v2 <- storage
            model <- wire <- server, client          proto/qstore/v1 <- wire, server, client
            client <- cli                            proto/qstore/{scrub,upload}/v1 <- server

Also: only storage/rocksdb/ knows RocksDB, only server, client
and cli know gRPC, base, model and codec use no library but those listed here, headers are named
from the repository root, and no file is longer than MAX_LINES. Programs of clients decide by an
error's reason (docs/decisions/error-details.md), not by its code or sentence, and a quantizer is
named in its own file and in the table alone.
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 600

# What each layer may include of the project itself.
ALLOWED_LAYERS = {
    "base": {"base"},
    "model": {"base", "codec", "model"},
    "codec": {"base", "codec"},
    "storage": {"base", "model", "codec", "storage", "qstore/storage/v2"},
    "wire": {"base", "model", "codec", "wire", "qstore/v1"},
    "server": {"base", "model", "codec", "storage", "wire", "server", "qstore/v1",
               "qstore/scrub/v1", "qstore/upload/v1"},
    "client": {"base", "model", "codec", "wire", "client", "qstore/v1"},
    "cli": {"base", "model", "codec", "client", "cli", "qstore/v1"},
}
# Libraries of the layers that must stay small.
ALLOWED_LIBRARIES = {
    "base": {"absl", "openssl", "xxhash.h", "xxh_x86dispatch.h"},
    "model": {"absl", "json", "nlohmann"},
    # immintrin.h comes with the compiler: what Highway has no word for.
    "codec": {"absl", "hwy", "immintrin.h", "zstd.h"},
}
# Libraries that few may use, and who.
RESTRICTED_LIBRARIES = {
    "rocksdb": {"storage/rocksdb/"},
    "grpc": {"server/", "client/", "cli/"},
    "grpcpp": {"server/", "client/", "cli/"},
}
POSIX_HEADERS = {"fcntl.h", "unistd.h", "dirent.h", "poll.h", "pthread.h", "signal.h", "sys"}
# Words that say nothing about what a file is for.
EMPTY_WORDS = {"data", "info", "helper", "helpers", "util", "utils", "manager", "common", "misc"}

# Decisions by an error's code or sentence, and the one file that makes reasons of both.
REASON_LAYERS = {"client", "cli"}
REASON_MAKERS = {"client/rpc_status.cc"}
BY_CODE_OR_SENTENCE = re.compile(
    r"absl::Is(?:Cancelled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|"
    r"PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|"
    r"Internal|Unavailable|DataLoss|Unauthenticated)\s*\("
    r"|code\(\)\s*[!=]=|[!=]=\s*(?:absl|grpc)::StatusCode::|switch\s*\([^;{]*code\(\)"
    r"|message\(\)\s*(?:[!=]=|\.\s*(?:find|compare|starts_with|ends_with|contains)\b)"
    r"|\b(?:StrContains|StartsWith|EndsWith|GlobMatch|RE2::\w+)\([^;]*message\(\)")

# Quantizers are named in their own files and in the table.
QUANTIZER_TABLE = {"codec/quantizer.h", "codec/quantizer.cc"}
QUANTIZER = re.compile(r'\bQuantizer (k\w+) = \{\s*\.name = "(\w+)"')

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def project_layer(included):
    """The layer or proto package that an include belongs to, or None."""
    if included.startswith("qstore/"):
        return included.rpartition("/")[0]
    first = included.partition("/")[0]
    return first if first in ALLOWED_LAYERS else None


def is_standard(included):
    return "/" not in included and not included.endswith(".h")


def include_problems(path, text):
    """Problems with the include lines of the file `path`, relative to the root."""
    layer = path.parts[0]
    for quoted, angled in INCLUDE.findall(text):
        included = quoted or angled
        first = included.partition("/")[0]
        target = project_layer(included)
        if target is not None:
            if target not in ALLOWED_LAYERS[layer]:
                yield f'{path}: {layer} may not include "{included}"'
            if angled:
                yield f"{path}: write <{included}> with quotes"
            continue
        if first in (".", "..") or (quoted and "/" not in included):
            yield f'{path}: name "{included}" from the repository root'
            continue
        if is_standard(included) or first in POSIX_HEADERS:
            continue
        users = RESTRICTED_LIBRARIES.get(first)
        if users is not None and not any(str(path).startswith(user) for user in users):
            yield f"{path}: only {', '.join(sorted(users))} may include {first}"
        libraries = ALLOWED_LIBRARIES.get(layer)
        if libraries is not None and first not in libraries:
            yield f"{path}: {layer} may not use the library of <{included}>"


def reason_problems(path, text):
    """Decisions in the file `path` that are not by an error's reason."""
    if path.parts[0] not in REASON_LAYERS or str(path) in REASON_MAKERS:
        return
    for found in BY_CODE_OR_SENTENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield f"{path}:{line}: decide by the error's reason (ReasonOf), not by `{found[0]}`"


def quantizer_problems(root):
    """Files that name a quantizer and are neither its own nor the table."""
    sources = {}
    for directory in [*ALLOWED_LAYERS, "benchmarks", "proto"]:
        for path in sorted((root / directory).rglob("*")):
            if path.suffix in (".h", ".cc", ".proto"):
                sources[str(path.relative_to(root))] = path.read_text(encoding="utf-8")
    for own, text in sources.items():
        for symbol, name in QUANTIZER.findall(text):
            named = re.compile(rf'"{name}"|\b{symbol}\b')
            for path in sources.keys() - {own} - QUANTIZER_TABLE:
                if named.search(sources[path]):
                    yield f'{path}: ask the table of quantizers instead of naming "{name}"'


def problems(root):
    found = list(quantizer_problems(root))
    for layer in ALLOWED_LAYERS:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            text = path.read_text(encoding="utf-8")
            found += include_problems(path.relative_to(root), text)
            found += reason_problems(path.relative_to(root), text)
    for directory in [*ALLOWED_LAYERS, "tests", "benchmarks"]:
        for path in sorted((root / directory).rglob("*")):
            if path.suffix not in (".h", ".cc", ".py"):
                continue
            relative = path.relative_to(root)
            line_count = path.read_text(encoding="utf-8").count("\n")
            if line_count > MAX_LINES:
                found.append(f"{relative}: {line_count} lines, more than {MAX_LINES}")
            for word in EMPTY_WORDS.intersection(path.stem.split("_")):
                found.append(f'{relative}: "{word}" does not say what the file is for')
    return found


class TreeTest(unittest.TestCase):
    def test_tree_keeps_the_rules(self):
        self.assertEqual(problems(ROOT), [])

    def test_every_layer_was_read(self):
        for layer in ALLOWED_LAYERS:
            sources = [p for p in (ROOT / layer).rglob("*.cc")]
            self.assertTrue(sources, f"no sources in {layer}/")


class CheckerTest(unittest.TestCase):
    """The checker finds what is planted, and only that."""

    def problems_of(self, path, text):
        with tempfile.TemporaryDirectory() as directory:
            planted = pathlib.Path(directory, path)
            planted.parent.mkdir(parents=True)
            planted.write_text(text, encoding="utf-8")
            return problems(pathlib.Path(directory))

    def test_finds_forbidden_edges(self):
        forbidden = {
            "base/a.h": '#include "codec/chunk.h"\n',
            "codec/a.cc": '#include "storage/engine.h"\n',
            "codec/b.cc": "#include <openssl/evp.h>\n",
            "codec/c.h": '  #  include "qstore/v1/model_store.pb.h"\n',
            "storage/a.cc": '#include "qstore/v1/model_store.pb.h"\n',
            "storage/b.cc": "#include <rocksdb/db.h>\n",
            "storage/c.cc": '#include "rocksdb/db.h"\n',
            "storage/d.cc": "#include <grpcpp/grpcpp.h>\n",
            "server/a.cc": '#include "client/download/download.h"\n',
            "client/a.cc": '#include "storage/engine.h"\n',
            "client/b.cc": '#include "qstore/storage/v2/manifest.pb.h"\n',
            "client/c.cc": '#include "../base/bytes.h"\n',
            "client/d.cc": '#include "progress.h"\n',
            "client/e.cc": "#include <base/bytes.h>\n",
            "client/f.cc": "if (absl::IsAborted(status)) Again();\n",
            "client/g.cc": "if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {}\n",
            "client/h.cc": "switch (status.code()) {}\n",
            "cli/a.cc": 'if (absl::StrContains(status.message(), "RST_STREAM")) {}\n',
            "cli/b.cc": 'if (status.message() == "gone") {}\n',
            "cli/c.cc": "if (code == absl::StatusCode::kNotFound) {}\n",
            "base/string_util.h": "#pragma once\n",
            "server/long.cc": "\n" * (MAX_LINES + 1),
            "tests/base/long.py": "\n" * (MAX_LINES + 1),
        }
        for path, text in forbidden.items():
            with self.subTest(path=path):
                found = self.problems_of(path, text)
                self.assertEqual(len(found), 1, found)
                self.assertIn(path, found[0])

    def test_finds_named_quantizers(self):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for path, text in {
                    "codec/sum_quantizer.cc": 'const Quantizer kSum = {\n    .name = "sum",\n};\n',
                    "codec/quantizer.cc": "&kSum,\n",
                    "client/options.h": 'std::string quantizer = "sum";\n',
                    "server/a.cc": "Use(codec::kSum);\n",
                    "proto/p.proto": '// Such as "sum".\n',
                    "server/b.cc": "// The sum of all.\n"}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            self.assertEqual([problem.partition(":")[0] for problem in sorted(problems(root))],
                             ["client/options.h", "proto/p.proto", "server/a.cc"])

    def test_accepts_what_is_allowed(self):
        allowed = {
            "base/a.cc": "#include <sys/stat.h>\n#include <vector>\n#include <openssl/evp.h>\n",
            "codec/a.cc": '#include <zstd.h>\n#include <hwy/highway.h>\n#include "base/bytes.h"\n',
            "storage/rocksdb/engine.cc": "#include <rocksdb/db.h>\n",
            "storage/a.cc": '#include "qstore/storage/v2/manifest.pb.h"\n#include "codec/chunk.h"\n',
            "server/a.cc": '#include <grpcpp/grpcpp.h>\n#include "qstore/v1/model_store.grpc.pb.h"\n',
            "client/a.cc": '#include "qstore/v1/model_store.pb.h"\n#include <CLI/CLI.hpp>\n',
            "client/rpc_status.cc": "switch (status.code()) {}\n",
            "client/b.cc": "Note(status.message());\nreturn static_cast<int>(error.code());\n",
            "storage/b.cc": "if (absl::IsNotFound(status)) return none;\n",
            "server/exact.cc": "\n" * MAX_LINES,
            "base/b.cc": '// #include "codec/chunk.h" is not included\n',
        }
        for path, text in allowed.items():
            with self.subTest(path=path):
                self.assertEqual(self.problems_of(path, text), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
