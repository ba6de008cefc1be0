// qstore-bench: the parts that scripts/bench-serve.sh puts together. Each
// prints one JSON document: bytes, seconds, cpu_seconds (of this process).

#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "benchmarks/serve/download_bench.h"
#include "benchmarks/serve/encode_bench.h"

namespace qstore {
namespace {

int Print(const absl::StatusOr<BenchResult>& result) {
  if (!result.ok()) {
    std::fprintf(stderr, "error: %s\n",
                 std::string(result.status().message()).c_str());
    return 1;
  }
  std::puts(
      absl::StrFormat(R"({"bytes": %d, "seconds": %.6f, "cpu_seconds": %.6f})",
                      result->bytes, result->seconds, result->cpu_seconds)
          .c_str());
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures a running qstored, and the codec beside it");
  app.require_subcommand(1);
  DownloadBench download;
  CLI::App* const download_command = app.add_subcommand(
      "download", "Download a model and throw its bytes away");
  download_command->add_option("--server", download.server)->required();
  download_command->add_option("--precision", download.precision)
      ->check(CLI::IsMember({"original", "int8"}))
      ->capture_default_str();
  download_command
      ->add_option("--streams", download.streams, "At once, a connection each")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  download_command
      ->add_option("--rounds", download.rounds, "Downloads of each stream")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  download_command->add_flag("--decode", download.decode,
                             "Decode and verify what comes");
  download_command->add_option("model", download.reference)->required();

  std::string path;
  bool verify = false;
  CLI::App* const encode_command = app.add_subcommand(
      "encode", "Encode a safetensors file on one thread, as an upload does");
  encode_command->add_flag("--verify", verify, "Decode and compare as well");
  encode_command->add_option("file", path)->required();

  CLI11_PARSE(app, argc, argv);
  return Print(*download_command ? RunDownloads(download)
                                 : EncodeFile(path, verify));
}

}  // namespace
}  // namespace qstore

int main(int argc, char** argv) { return qstore::Main(argc, argv); }
