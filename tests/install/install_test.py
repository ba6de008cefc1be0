"""What `cmake --install` gives is whole: headers that stand alone, and the
examples, built by CMake and by pkg-config, which read a model from a real server.

The build is that of QSTORE_TEST_BUILD_DIR.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "support"))

import harness  # noqa: E402
import models  # noqa: E402

BUILD_DIR = pathlib.Path(os.environ.get("QSTORE_TEST_BUILD_DIR", ROOT / "build" / "release"))


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=400, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


class Install(harness.EndToEndTest):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory(prefix="qstore-install-")
        cls.addClassCleanup(cls.holder.cleanup)
        cls.prefix = pathlib.Path(cls.holder.name, "prefix")
        run("cmake", "--install", BUILD_DIR, "--prefix", cls.prefix)

    def library_dir(self):
        found = list(self.prefix.glob("lib*/**/libqstore.so"))
        self.assertEqual(len(found), 1, found)
        return found[0].parent

    def build_with_pkg_config(self):
        program = self.path / "read_file"
        found = run("pkg-config", "--cflags", "--libs", "qstore", env={
            **os.environ, "PKG_CONFIG_PATH": str(self.library_dir() / "pkgconfig")}).split()
        run("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror",
            ROOT / "examples" / "read_file.c", "-o", program, *found,
            f"-Wl,-rpath,{self.library_dir()}")
        return program

    def test_headers_stand_alone_and_need_no_grpc(self):
        include = self.prefix / "include" / "qstore"
        headers = [header for header in include.rglob("*.h") if header.name != "qstore.h"]
        self.assertGreater(len(headers), 10)

        def check(header):
            included = self.path / f"{header.stem}.d"
            run("c++", "-std=c++20", "-Wall", "-Werror", "-fsyntax-only", "-I", include,
                "-MD", "-MF", included, "-include", header, "-x", "c++", os.devnull)
            return included.read_text(encoding="utf-8")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for header, included in zip(headers, pool.map(check, headers)):
                for unwanted in ("/grpc", "/google/protobuf", ".pb.h", str(ROOT) + "/client"):
                    self.assertNotIn(unwanted, included, header)

    def test_the_c_header_is_c99_and_cpp(self):
        include = self.prefix / "include"
        for compiler, standard in (("cc", "-std=c99"), ("c++", "-std=c++11")):
            run(compiler, standard, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                "-I", include, "-include", "qstore/qstore.h",
                "-x", "c" if compiler == "cc" else "c++", os.devnull)

    def test_the_examples_read_a_model(self):
        model = self.path / "model"
        models.write_model(model)
        _, client = self.start()
        client.json("upload", model, "org/m")

        build = self.path / "examples"
        run("cmake", "-G", "Ninja", "-S", ROOT / "examples", "-B", build,
            f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build, "-j2")
        for program in (build / "read_file", self.build_with_pkg_config()):
            for name in ("config.json", "model.safetensors"):
                done = subprocess.run([program, client.address, "org/m", name],
                                      capture_output=True, check=True, timeout=60)
                self.assertEqual(done.stdout, (model / name).read_bytes())
            done = subprocess.run([program, client.address, "org/none", "x"],
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn("org/none", done.stderr)

        tensors = run(build / "download", client.address, "org/m", self.path / "original",
                      "original")
        self.assert_same_files(model, self.path / "original")
        shown = client.json("show", "org/m")["tensors"]
        self.assertEqual([line.split()[0] for line in tensors.splitlines()],
                         [tensor["name"] for tensor in shown])
        run(build / "download", client.address, "org/m", self.path / "int8", "int8")
        client.json("download", "org/m", self.path / "expected", "--precision", "int8")
        self.assert_same_files(self.path / "expected", self.path / "int8")


if __name__ == "__main__":
    unittest.main()
